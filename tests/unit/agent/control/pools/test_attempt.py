"""One attempt at a share: it holds and is proven, or leaves nothing behind that was not there before."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from poolfleet_agent.control.grace import Say
from poolfleet_agent.control.mounted import MountBook
from poolfleet_agent.control.pools.attempt import MountAttempt
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.mount_failure import MountError, MountFailure
from poolfleet_agent.model.pool import MountOwner, NetfsSource
from poolfleet_agent.model.ports import LayerResult, MountRequest, ServerProbe
from tests.unit.agent.fake_mounts import FakeMounts, MemoryMountStore

TARGET = "/pools/vm"
SHARE = "nfs1:/srv/vm"
REQUEST = MountRequest(source=NetfsSource(host="nfs1", path="/srv/vm"), target=TARGET)
LIMIT_S = 10.0


class Host:
    """Attempts at one share; `begin_anew` is an agent's end and start in the same boot."""

    def __init__(self) -> None:
        self.mounts = FakeMounts()
        self.store = MemoryMountStore()
        self.book = MountBook(store=self.store, boot_id="boot")
        self.looked_at: list[str] = []
        self.started = 0
        self.readying: Callable[[], Awaitable[None]] | None = None
        self.starting: Callable[[], Awaitable[None]] | None = None

    async def begin_anew(self) -> None:
        self.book = MountBook(store=self.store, boot_id="boot")
        await self.book.load()

    async def names(self, path: str, *, timeout_s: float = 10.0) -> list[bytes]:
        self.looked_at.append(path)
        self.mounts.put(path, SHARE)
        return []

    async def ready(self, say: Say) -> None:
        if self.readying is not None:
            await self.readying()

    async def say(self, message: str) -> None:
        raise AssertionError(message)

    async def start(self) -> None:
        if self.starting is not None:
            await self.starting()
        self.started += 1

    async def attempt(self) -> None:
        files: Any = self
        async with asyncio.timeout(LIMIT_S):
            attempt = MountAttempt(mounts=self.mounts, book=self.book, files=files, request=REQUEST, ready=self.ready)
            await attempt.run(self.start, self.say)

    async def failure(self) -> MountError:
        with pytest.raises(MountError) as failed:
            await self.attempt()
        return failed.value


@pytest.fixture
def host() -> Host:
    return Host()


async def fail() -> None:
    raise ModelError(Reason.INTERNAL, "libvirt says no")


async def test_a_share_is_mounted_then_started_on_and_known_as_ours(host: Host) -> None:
    await host.attempt()
    assert (host.mounts.on(TARGET), host.started) == ([SHARE], 1)
    assert host.book.owner(TARGET) is MountOwner.AGENT
    assert not host.book.is_attempt(TARGET)


async def test_the_book_knows_of_a_mount_before_it_is_made(host: Host) -> None:
    known = []

    async def look(request: MountRequest) -> None:
        known.append((host.store.kept[TARGET].owner, host.store.kept[TARGET].attempting))
        await host.mounts.appear(request)

    host.mounts.mounting = look
    await host.attempt()
    assert known == [(MountOwner.AGENT, True)]


async def test_a_mount_that_succeeded_just_before_it_was_killed_is_undone(host: Host) -> None:
    async def killed(request: MountRequest) -> None:
        await host.mounts.appear(request)
        raise MountError(MountFailure.TIMED_OUT, "mount did not end, and was killed")

    host.mounts.mounting = killed
    assert (await host.failure()).failure is MountFailure.TIMED_OUT
    assert (host.mounts.on(TARGET), host.started, host.store.kept) == ([], 0, {})


@pytest.mark.parametrize("times", [1, 2])
async def test_a_cancellation_undoes_what_was_mounted_to_the_end(host: Host, times: int) -> None:
    mounted, unmounting, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def hang(request: MountRequest) -> None:
        await host.mounts.appear(request)
        mounted.set()
        await asyncio.Event().wait()

    async def slowly() -> None:
        unmounting.set()
        await go_on.wait()

    host.mounts.mounting, host.mounts.unmounting = hang, slowly
    attempt = asyncio.create_task(host.attempt())
    await mounted.wait()
    for _ in range(times):
        attempt.cancel()
        await unmounting.wait()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    assert (host.mounts.on(TARGET), host.store.kept) == ([], {})


async def test_what_libvirt_does_not_start_is_undone(host: Host) -> None:
    host.starting = fail
    with pytest.raises(ModelError):
        await host.attempt()
    assert (host.mounts.on(TARGET), host.store.kept) == ([], {})


async def test_a_mount_that_is_in_use_for_a_moment_is_undone_all_the_same(host: Host) -> None:
    left = [ModelError(Reason.RESOURCE_BUSY, "in use")]

    async def busy_once() -> None:
        if left:
            raise left.pop()

    host.starting, host.mounts.unmounting = fail, busy_once
    with pytest.raises(ModelError):
        await host.attempt()
    assert host.mounts.on(TARGET) == []


async def test_what_cannot_be_undone_stays_known_as_ours_and_its_first_failure_is_told(host: Host) -> None:
    async def refuse() -> None:
        raise ModelError(Reason.POOL_UNRESPONSIVE, "it hangs")

    host.starting, host.mounts.unmounting = fail, refuse
    with pytest.raises(ModelError, match="libvirt says no"):
        await host.attempt()
    assert host.mounts.on(TARGET) == [SHARE]
    await host.begin_anew()
    assert host.book.is_attempt(TARGET)


async def test_where_libvirt_may_yet_start_the_pool_its_mount_stays_for_the_next_attempt(host: Host) -> None:
    async def lost() -> None:
        raise ModelError(Reason.LIBVIRT_UNAVAILABLE, "the connection was lost")

    host.starting = lost
    with pytest.raises(ModelError):
        await host.attempt()
    assert host.mounts.on(TARGET) == [SHARE]
    await host.begin_anew()
    host.starting = None
    await host.attempt()
    assert (host.mounts.on(TARGET), host.mounts.mount_calls) == ([SHARE], 1)
    assert host.book.owner(TARGET) is MountOwner.AGENT
    assert not host.book.is_attempt(TARGET)


async def test_what_an_agent_that_was_killed_left_is_undone_with_the_attempt_that_takes_it_over(host: Host) -> None:
    await host.book.attempting(REQUEST)
    host.mounts.put(TARGET, SHARE)
    await host.begin_anew()
    host.starting = fail
    with pytest.raises(ModelError):
        await host.attempt()
    assert (host.mounts.on(TARGET), host.store.kept) == ([], {})


async def test_a_mount_that_went_on_without_its_agent_is_ended_before_another_begins(host: Host) -> None:
    going_on: list[dict[str, str]] = []

    async def look(request: MountRequest) -> None:
        going_on.append(dict(host.mounts.orphans))
        await host.mounts.appear(request)

    await host.book.attempting(REQUEST)
    host.mounts.orphans[TARGET] = SHARE
    await host.begin_anew()
    host.mounts.mounting = look
    await host.attempt()
    assert going_on == [{}]


async def test_a_wrong_share_that_an_agent_left_that_was_killed_before_its_proof_is_replaced(host: Host) -> None:
    await host.book.attempting(REQUEST)
    host.mounts.put(TARGET, "nfs1:/srv/other")
    await host.begin_anew()
    await host.attempt()
    assert host.mounts.on(TARGET) == [SHARE]


async def test_what_was_there_before_is_used_and_not_undone(host: Host) -> None:
    host.mounts.put(TARGET, "alias:/srv/vm")
    host.starting = fail
    with pytest.raises(ModelError):
        await host.attempt()
    host.starting = None
    await host.attempt()
    assert (host.mounts.on(TARGET), host.mounts.mount_calls) == (["alias:/srv/vm"], 0)
    assert host.book.owner(TARGET) is MountOwner.FOREIGN


@pytest.mark.parametrize("other", ["nfs1:/srv/other", "/dev/sdb1"])
async def test_something_else_on_the_target_is_left_alone(host: Host, other: str) -> None:
    host.mounts.put(TARGET, other)
    failure = await host.failure()
    assert failure.failure is MountFailure.TARGET_BUSY
    assert other in failure.message
    assert host.mounts.on(TARGET) == [other]


async def test_another_export_where_ours_should_have_come_is_undone(host: Host) -> None:
    async def wrong(request: MountRequest) -> None:
        host.mounts.put(TARGET, "nfs1:/srv/other")

    host.mounts.mounting = wrong
    assert (await host.failure()).failure is MountFailure.WRONG_SHARE
    assert (host.mounts.on(TARGET), host.store.kept) == ([], {})


async def test_a_mount_that_mounts_nothing_is_no_success(host: Host) -> None:
    async def nothing(request: MountRequest) -> None:
        pass

    host.mounts.mounting = nothing
    assert (await host.failure()).failure is MountFailure.SYSTEM_CALL_FAILED


async def test_a_server_that_the_kernel_knows_by_its_other_address_is_right_and_known_by_it_from_then_on(
    host: Host,
) -> None:
    async def trunked(request: MountRequest) -> None:
        host.mounts.put(TARGET, "10.0.0.9:/srv/vm", super_options=("rw", "addr=10.0.0.9"))

    host.mounts.mounting = trunked
    await host.attempt()
    assert host.book.addresses("nfs1") == ["10.0.0.9"]
    assert host.book.addresses("nfs2") == []
    await host.attempt()
    assert (host.mounts.mount_calls, host.book.owner(TARGET)) == (1, MountOwner.AGENT)


async def test_two_new_mounts_on_the_target_are_not_trusted_by_their_export_alone(host: Host) -> None:
    async def with_anothers(request: MountRequest) -> None:
        host.mounts.put(TARGET, SHARE)
        host.mounts.put(TARGET, "nfs7:/srv/vm", super_options=("rw", "addr=10.0.0.7"))

    host.mounts.mounting = with_anothers
    assert (await host.failure()).failure is MountFailure.WRONG_SHARE


async def test_what_somebody_mounts_while_the_server_is_probed_is_used_and_not_undone(host: Host) -> None:
    probe = host.mounts.probe_server

    async def slowly(request: MountRequest) -> ServerProbe:
        host.mounts.put(TARGET, SHARE)
        return await probe(request)

    host.mounts.probe_server = slowly  # type: ignore[method-assign]
    host.starting = fail
    with pytest.raises(ModelError):
        await host.attempt()
    assert (host.mounts.on(TARGET), host.mounts.mount_calls) == ([SHARE], 0)
    assert host.book.owner(TARGET) is MountOwner.FOREIGN


def quicker(host: Host, source: str, failure: MountFailure) -> None:
    """Have somebody else mount while mount runs, which fails then."""

    async def mount(request: MountRequest) -> None:
        host.mounts.put(TARGET, source)
        raise MountError(failure, "mount.nfs: no")

    host.mounts.mounting = mount


async def test_the_share_that_somebody_mounts_quicker_than_mount_is_used_and_not_undone(host: Host) -> None:
    quicker(host, SHARE, MountFailure.TARGET_BUSY)
    await host.attempt()
    assert (host.mounts.on(TARGET), host.started) == ([SHARE], 1)
    assert host.book.owner(TARGET) is MountOwner.FOREIGN


@pytest.mark.parametrize("failure", [MountFailure.TARGET_BUSY, MountFailure.ACCESS_DENIED])
async def test_what_else_comes_while_mount_runs_and_mounts_nothing_is_left_alone(
    host: Host, failure: MountFailure
) -> None:
    quicker(host, "nfs1:/srv/other", failure)
    assert (await host.failure()).failure is failure
    assert (host.mounts.on(TARGET), host.store.kept) == (["nfs1:/srv/other"], {})


async def test_what_somebody_mounts_over_or_instead_of_ours_is_not_undone(host: Host) -> None:
    async def replaced() -> None:
        await host.mounts.unmount(TARGET)
        host.mounts.put(TARGET, SHARE)
        await fail()

    async def covered() -> None:
        host.mounts.put(TARGET, "nfs1:/srv/other")
        await fail()

    for starting, there in ((replaced, [SHARE]), (covered, [SHARE, "nfs1:/srv/other"])):
        host.mounts.entries[1:] = []
        host.starting = starting
        with pytest.raises(ModelError):
            await host.attempt()
        assert (host.mounts.on(TARGET), host.store.kept) == (there, {})


async def test_a_mount_cannot_be_told_to_be_anothers_while_the_resolver_is_silent(host: Host) -> None:
    host.mounts.put(TARGET, "alias:/srv/vm")
    host.mounts.resolved = []
    failure = await host.failure()
    assert (failure.failure, failure.layer) == (MountFailure.NAME_TEMPORARY, "dns")
    host.mounts.resolved = ["10.0.0.1"]
    await host.attempt()
    assert host.started == 1


UNLISTED = LayerResult(layer="export", duration_s=0.1, failure=MountFailure.NO_SUCH_EXPORT, message="not in the list")


async def test_the_list_of_exports_is_advice_that_a_mount_may_prove_wrong(host: Host) -> None:
    host.mounts.failed_layer = UNLISTED
    await host.attempt()
    assert host.mounts.on(TARGET) == [SHARE]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (MountFailure.ACCESS_DENIED, (MountFailure.NO_SUCH_EXPORT, "export")),
        (MountFailure.UNKNOWN, (MountFailure.NO_SUCH_EXPORT, "export")),
        (MountFailure.TIMED_OUT, (MountFailure.TIMED_OUT, "mount")),
    ],
)
async def test_a_missing_export_is_told_where_list_and_mount_say_so(
    host: Host, said: MountFailure, told: tuple[MountFailure, str]
) -> None:
    async def refuse(request: MountRequest) -> None:
        raise MountError(said, "mount.nfs: no")

    host.mounts.failed_layer, host.mounts.mounting = UNLISTED, refuse
    failure = await host.failure()
    assert (failure.failure, failure.layer) == told
    assert "mount.nfs: no" in failure.message


async def test_any_other_layer_that_fails_ends_the_attempt_before_a_mount(host: Host) -> None:
    host.mounts.failed_layer = LayerResult(
        layer="tcp", duration_s=0.1, failure=MountFailure.CONNECTION_REFUSED, message="refused"
    )
    assert (await host.failure()).layer == "tcp"
    assert host.mounts.mount_calls == 0


async def test_autofs_is_opened_before_the_mounts_are_read(host: Host) -> None:
    host.mounts.put(TARGET, "auto.direct", fs_type="autofs", super_options=("rw",))
    host.starting = fail
    with pytest.raises(ModelError):
        await host.attempt()
    assert (host.looked_at, host.mounts.mount_calls) == ([TARGET], 0)
    assert host.mounts.on(TARGET) == ["auto.direct", SHARE]
    assert host.book.owner(TARGET) is MountOwner.FOREIGN


async def test_a_share_that_is_unmounted_while_the_pool_is_started_fails_the_start(host: Host) -> None:
    async def pull_away() -> None:
        host.mounts.entries.pop()

    host.starting = pull_away
    with pytest.raises(ModelError) as failed:
        await host.attempt()
    assert failed.value.reason is Reason.UNMOUNTED


async def test_libvirt_is_not_asked_before_files_of_the_share_can_be_opened(host: Host) -> None:
    async def grace() -> None:
        assert host.mounts.on(TARGET) == [SHARE]
        raise ModelError(Reason.SERVER_IN_GRACE, "opens wait")

    host.readying = grace
    with pytest.raises(ModelError):
        await host.attempt()
    assert (host.started, host.mounts.on(TARGET)) == (0, [SHARE])
    host.readying = None
    await host.attempt()
    assert (host.started, host.mounts.mount_calls) == (1, 1)


async def test_a_share_that_is_unmounted_meanwhile_is_not_started_on(host: Host) -> None:
    async def pull_away() -> None:
        host.mounts.entries.pop()

    host.readying = pull_away
    assert (await host.failure()).failure is MountFailure.SYSTEM_CALL_FAILED
    assert host.started == 0
