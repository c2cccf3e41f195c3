"""Every refresh of ours waits until files can be opened, and the stop that a failed one causes is nobody's wish."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from poolfleet_agent.control.host import Host
from poolfleet_agent.control.mutation import Caller
from poolfleet_agent.control.pools.refresh import RefreshPool
from poolfleet_agent.control.volumes.create import CreateVolume
from poolfleet_agent.control.volumes.delete import DeleteVolume
from poolfleet_agent.control.volumes.space import Promises
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.operation import OperationState
from poolfleet_agent.model.pool_source import NetfsSource
from poolfleet_agent.model.ports import PoolEvent, PoolEventKind, Rights
from poolfleet_agent.model.share_user import ShareUser
from poolfleet_agent.model.volume import VolumeDefinition
from tests.unit.agent.fake_files import FakeFiles
from tests.unit.agent.fake_host import MIB, FakeHost, operations, pool_facts, until, use_case_host

STOPPED = PoolEvent(kind=PoolEventKind.STOPPED, pool="p")
CALLER = Caller(name="unix", rpc="")
SOON_S = 30.0
FAILED = ModelError(Reason.INTERNAL, "cannot open volume")


class GraceFiles(FakeFiles):
    """`may_open`: no file can be opened before."""

    def __init__(self) -> None:
        super().__init__()
        self.may_open = asyncio.Event()
        self.may_open.set()
        self.opens = 0

    async def open_first(self, path: str, *, timeout_s: float) -> None:
        self.opens += 1
        await self.may_open.wait()


@pytest.fixture
async def fake() -> AsyncIterator[FakeHost]:
    """A host with the pool `p` on a share that squashes root."""
    fake = FakeHost(files=GraceFiles())
    facts = pool_facts("p")
    definition = replace(facts.definition, type="netfs", source=NetfsSource(host="server", path="/export"))
    fake.watch.mount("/pools/p", "server:/export")
    fake.hypervisor.add(replace(facts, definition=definition, stored_definition=definition), "old")
    fake.files.folders["/pools/p"] = ShareUser(uid=1000, gid=100)
    fake.files.root_may = Rights(read=True, write=False, search=True)
    fake.hypervisor.failing["delete_volume p old"] = ModelError(Reason.SQUASHED, "libvirt is nobody there")
    await fake.looker.all_pools()
    yield fake
    await fake.refreshes.close()
    await fake.grace.close()
    await fake.looker.close()


async def create(host: Host, pool: str = "p") -> Any:
    asked = VolumeDefinition(name="v", format="raw", capacity_bytes=MIB, allocation_bytes=0)
    mutation = CreateVolume(host=host, promises=Promises(), pool=pool, definition=asked)
    return await operations().submit(mutation, CALLER)


async def delete(host: Host) -> Any:
    return await operations().submit(DeleteVolume(host=host, pool="p", volume="old"), CALLER)


async def refresh(host: Host) -> Any:
    return await operations().submit(RefreshPool(host=host, pool="p"), CALLER)


Asking = Callable[[Host], Awaitable[Any]]
ALL = pytest.mark.parametrize("ask", [create, delete, refresh])


@ALL
async def test_a_stop_by_a_failed_refresh_is_not_taken_for_a_persons(fake: FakeHost, ask: Asking) -> None:
    fake.hypervisor.failing["refresh_pool p"] = FAILED
    operation = await ask(use_case_host(fake))
    assert operation.failure.reason == FAILED.reason
    heard_at_s = fake.clock.monotonic_s()
    assert fake.own_changes.explain(STOPPED, heard_at_s=heard_at_s)
    assert not fake.own_changes.explain(STOPPED, heard_at_s=heard_at_s)


@ALL
async def test_libvirt_is_asked_once_files_can_be_opened(fake: FakeHost, ask: Asking) -> None:
    fake.files.may_open.clear()
    asking = asyncio.ensure_future(ask(use_case_host(fake)))
    await until(lambda: fake.files.opens)
    assert "refresh_pool p" not in fake.hypervisor.called
    fake.files.may_open.set()
    async with asyncio.timeout(SOON_S):
        operation = await asking
    assert operation.failure is None
    assert fake.hypervisor.called.count("refresh_pool p") == 1


@pytest.mark.parametrize("ask", [create, delete])
async def test_what_is_done_is_not_told_as_failed_because_libvirt_is_busy_in_the_pool(
    fake: FakeHost, ask: Asking
) -> None:
    fake.hypervisor.failing["refresh_pool p"] = ModelError(
        Reason.RESOURCE_BUSY, "pool 'p' has asynchronous jobs running"
    )
    asking = asyncio.ensure_future(ask(use_case_host(fake)))
    async with asyncio.timeout(SOON_S):
        while fake.hypervisor.called.count("refresh_pool p") < 2:
            await asyncio.sleep(0.01)
        del fake.hypervisor.failing["refresh_pool p"]
        operation = await asking
    assert operation.state in {OperationState.RUNNING, OperationState.SUCCEEDED}
    assert operation.failure is None


async def test_a_pool_whose_share_is_not_mounted_any_more_is_not_refreshed(fake: FakeHost) -> None:
    fake.watch.unmount("/pools/p")
    with pytest.raises(ModelError) as refused:
        await fake.refreshes.ask("p")
    assert refused.value.reason is Reason.UNMOUNTED
    assert "refresh_pool p" not in fake.hypervisor.called


async def test_a_local_pool_is_refreshed_under_the_cap_of_the_server_that_its_backing_files_are_on(
    fake: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.hypervisor.add(pool_facts("local"), "image")
    await fake.looker.pool("local")
    monkeypatch.setattr(fake.pool_mounts, "server_below", lambda volumes: "server")
    await fake.refreshes.ask("local")
    assert fake.hypervisor.servers["refresh_pool local"] == "server"


async def test_while_libvirt_makes_a_volume_in_the_pool_it_is_asked_again(fake: FakeHost) -> None:
    fake.hypervisor.failing["refresh_pool p"] = ModelError(Reason.RESOURCE_BUSY, "asynchronous jobs running")
    asking = asyncio.ensure_future(create(use_case_host(fake)))
    await until(lambda: fake.hypervisor.called.count("refresh_pool p") > 2)
    del fake.hypervisor.failing["refresh_pool p"]
    async with asyncio.timeout(SOON_S):
        operation = await asking
    assert operation.failure is None


@pytest.mark.parametrize(("ask", "pool"), [(partial(create, pool="local"), "local"), (delete, "p")])
async def test_a_check_does_not_wait_for_libvirt_to_be_free_in_the_pool(fake: FakeHost, ask: Asking, pool: str) -> None:
    """As it would to find a volume whose file libvirt has not seen yet."""
    fake.hypervisor.add(pool_facts("local"))
    await fake.looker.pool("local")
    fake.files.kept["/pools/local/v"] = b""
    fake.hypervisor.failing["read_volume p old"] = ModelError(Reason.VOLUME_NOT_FOUND, "not seen yet")
    fake.hypervisor.failing[f"refresh_pool {pool}"] = ModelError(Reason.RESOURCE_BUSY, "asynchronous jobs running")
    with pytest.raises(ModelError) as refused:
        async with asyncio.timeout(SOON_S):
            await ask(use_case_host(fake))
    assert refused.value.reason is Reason.RESOURCE_BUSY
    assert fake.hypervisor.called.count(f"refresh_pool {pool}") == 1


async def test_any_other_failure_of_a_refresh_is_told_at_once(fake: FakeHost) -> None:
    fake.hypervisor.failing["refresh_pool p"] = FAILED
    with pytest.raises(ModelError) as failed:
        await fake.refreshes.ask("p")
    assert failed.value.reason is FAILED.reason
    assert fake.hypervisor.called.count("refresh_pool p") == 1
