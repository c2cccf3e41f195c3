"""An attempt at a share beside what others mount: theirs is used where it is right, and never undone."""

from __future__ import annotations

import pytest

from poolfleet_agent.model.errors import ModelError
from poolfleet_agent.model.mount_failure import MountError, MountFailure
from poolfleet_agent.model.pool import MountOwner
from poolfleet_agent.model.ports import MountRequest, ServerProbe
from tests.unit.agent.control.pools.attempt_host import SHARE, TARGET, Host, fail


@pytest.fixture
def host() -> Host:
    return Host()


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


async def test_autofs_is_opened_before_the_mounts_are_read(host: Host) -> None:
    host.mounts.put(TARGET, "auto.direct", fs_type="autofs", super_options=("rw",))
    host.starting = fail
    with pytest.raises(ModelError):
        await host.attempt()
    assert (host.looked_at, host.mounts.mount_calls) == ([TARGET], 0)
    assert host.mounts.on(TARGET) == ["auto.direct", SHARE]
    assert host.book.owner(TARGET) is MountOwner.FOREIGN
