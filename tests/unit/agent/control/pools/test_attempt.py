"""One attempt at a share: it holds and is proven, or leaves nothing behind that was not there before."""

from __future__ import annotations

import asyncio

import pytest

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.mount_failure import MountError, MountFailure
from poolfleet_agent.model.pool import MountOwner
from poolfleet_agent.model.ports import LayerResult, MountRequest
from tests.unit.agent.control.pools.attempt_host import REQUEST, SHARE, TARGET, Host, fail

UNLISTED = LayerResult(layer="export", duration_s=0.1, failure=MountFailure.NO_SUCH_EXPORT, message="not in the list")


@pytest.fixture
def host() -> Host:
    return Host()


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


async def test_a_mount_that_mounts_nothing_is_no_success(host: Host) -> None:
    async def nothing(request: MountRequest) -> None:
        pass

    host.mounts.mounting = nothing
    assert (await host.failure()).failure is MountFailure.SYSTEM_CALL_FAILED


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
