"""A watcher of a real host is told what there is and what changes, and goes on where it was after any interruption."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

import poolfleet
from poolfleet import PoolSpec, ResyncReason, VolumeSpec, WatchedInventory
from poolfleet.aio import AgentClient
from poolfleet.v1.inventory_service_pb2 import KnownPool, WatchInventoryRequest
from poolfleet.v1.snapshot_pb2 import Revision
from scripts.embedded.host import EmbeddedHost
from tests.raw_agent import RawAgent, refusal_of
from tests.virsh import virsh

MIB = 1 << 20
LIMIT_S = 30.0
GUEST = """
<domain type='qemu'><name>{name}</name><memory>65536</memory><os><type arch='x86_64'>hvm</type></os>
<devices><disk type='file' device='disk'><source file='{path}'/><target dev='vda'/></disk></devices></domain>
"""


class Watcher:
    """Follows one watch, and takes over what it is told."""

    def __init__(self, state: WatchedInventory, batches: AsyncIterator[poolfleet.InventoryBatch]) -> None:
        self.state = state
        self.resyncs: list[ResyncReason] = []
        self.told_volumes: list[str] = []
        self.unchanged: list[str] = []
        self._batches = batches

    async def until(self, holds: Callable[[WatchedInventory], bool]) -> None:
        """Read on until a consistent state is as wanted."""
        async with asyncio.timeout(LIMIT_S):
            async for batch in self._batches:
                self.resyncs += [batch.resync] if batch.resync else []
                for change in batch.pools:
                    self.told_volumes += [volume.name for volume in change.volumes]
                    self.unchanged += [change.name] if change.unchanged else []
                if self.state.apply(batch) and holds(self.state):
                    return


@asynccontextmanager
async def watching(client: AgentClient, state: WatchedInventory | None = None, **what: Any) -> AsyncIterator[Watcher]:
    state = state or WatchedInventory()
    # For no longer than for a heartbeat it is waited for an agent that was started anew to have looked at its host.
    async with aclosing(client.inventory.watch(resume=state.resume(), heartbeat_s=LIMIT_S, **what)) as batches:
        yield Watcher(state, batches)


def volumes(state: WatchedInventory) -> dict[str, set[str]]:
    return {pool.name: set(state.volumes[uuid]) for uuid, pool in state.pools.items()}


def has(**wanted: Sequence[str]) -> Callable[[WatchedInventory], bool]:
    return lambda state: volumes(state) == {pool: set(names) for pool, names in wanted.items()}


@pytest.fixture
async def client(host: EmbeddedHost) -> AsyncIterator[AgentClient]:
    async with AgentClient(host.agent.target) as client:
        for pool in ("a", "b"):
            await client.pools.ensure(PoolSpec.dir(pool, target=str(host.pools_dir / pool)))
            await client.volumes.create(pool, VolumeSpec("v", capacity_bytes=MIB))
        yield client


async def test_what_there_is_then_what_is_made_and_removed(host: EmbeddedHost, client: AgentClient) -> None:
    async with watching(client) as watcher:
        await watcher.until(has(a=["v"], b=["v"]))
        assert watcher.state.bookmark is not None
        assert watcher.state.bookmark.complete
        [told] = [one for pool in watcher.state.volumes.values() for one in pool.values() if one.pool == "a"]
        listed = await client.volumes.get("a", "v")
        assert (told.path, told.key, told.etag, told.capacity_bytes) == (
            listed.path, listed.key, listed.etag, listed.capacity_bytes,
        )  # fmt: skip
        await client.volumes.create("a", VolumeSpec("w", capacity_bytes=MIB))
        await watcher.until(has(a=["v", "w"], b=["v"]))
        assert watcher.told_volumes == ["v", "v", "w"]
        await client.volumes.delete("b", "v")
        await watcher.until(has(a=["v", "w"], b=[]))
        await client.pools.stop("b")
        await client.pools.undefine("b")
        await watcher.until(has(a=["v", "w"]))


async def test_what_libvirt_is_told_behind_our_back_is_told_too(host: EmbeddedHost, client: AgentClient) -> None:
    async with watching(client) as watcher:
        await watcher.until(has(a=["v"], b=["v"]))
        virsh(host, "pool-destroy", "b")
        await watcher.until(has(a=["v"], b=[]))
        virsh(host, "vol-create-as", "a", "theirs", "1M")
        virsh(host, "pool-refresh", "a")
        await watcher.until(has(a=["theirs", "v"], b=[]))


async def test_the_disks_of_domains_come_and_go(host: EmbeddedHost, client: AgentClient) -> None:
    path = host.pools_dir / "a/v"
    async with watching(client) as watcher:
        await watcher.until(has(a=["v"], b=["v"]))
        assert not watcher.state.disks
        document = host.root / "guest.xml"
        document.write_text(GUEST.format(name="web", path=path))
        virsh(host, "define", str(document))
        await watcher.until(lambda state: bool(state.disks))
        [[disk]] = watcher.state.disks.values()
        assert (disk.domain, disk.pool, disk.volume, disk.path) == ("web", "a", "v", str(path))
        virsh(host, "undefine", "web")
        await watcher.until(lambda state: not state.disks)


async def test_who_comes_back_is_told_only_what_changed_meanwhile(client: AgentClient) -> None:
    async with watching(client) as watcher:
        await watcher.until(has(a=["v"], b=["v"]))
    await client.volumes.create("a", VolumeSpec("w", capacity_bytes=MIB))
    async with watching(client, watcher.state) as again:
        await again.until(has(a=["v", "w"], b=["v"]))
    assert "v" not in again.told_volumes
    assert not again.resyncs


@pytest.mark.parametrize("signal", ["term", "kill"])
async def test_an_agent_started_anew_sends_again_only_what_is_different(
    host: EmbeddedHost, client: AgentClient, signal: str
) -> None:
    async with watching(client) as watcher:
        await watcher.until(has(a=["v"], b=["v"]))
        (host.agent.kill9 if signal == "kill" else host.agent.stop)()
        with pytest.raises(poolfleet.Unavailable):
            await watcher.until(lambda _: False)
    (host.pools_dir / "a/w").write_bytes(b"made while nobody looked")
    virsh(host, "pool-refresh", "a")
    host.agent.start()
    host.agent.wait_loaded()
    async with watching(client, watcher.state) as again:
        await again.until(has(a=["v", "w"], b=["v"]))
    assert again.resyncs == [ResyncReason.OTHER_EPOCH]
    assert (again.unchanged, sorted(again.told_volumes)) == (["b"], ["v", "w"])


async def test_only_the_pools_that_are_asked_for(client: AgentClient) -> None:
    async with watching(client, pools=["b", "none"]) as watcher:
        await watcher.until(has(b=["v"]))
        await client.volumes.create("a", VolumeSpec("w", capacity_bytes=MIB))
        await client.volumes.create("b", VolumeSpec("w", capacity_bytes=MIB))
        await watcher.until(has(b=["v", "w"]))
    with pytest.raises(poolfleet.InvalidArgument) as other:
        async with watching(client, watcher.state, pools=["a"]) as second:
            await second.until(lambda _: True)
    assert other.value.reason == "INVALID_FIELD"


async def test_a_reader_that_stands_still_is_no_burden_to_others(client: AgentClient) -> None:
    async with watching(client) as still, watching(client) as watcher:
        await still.until(has(a=["v"], b=["v"]))
        for number in range(20):
            name = f"n{number}"
            await client.volumes.create("a", VolumeSpec(name, capacity_bytes=MIB, allocation_bytes=0))
            await watcher.until(lambda state, name=name: name in volumes(state)["a"])  # type: ignore[misc]
        await still.until(lambda state: len(volumes(state)["a"]) == 21)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (WatchInventoryRequest(known=[KnownPool(pool_uuid="u", digest="d")]), "known"),
        (WatchInventoryRequest(resume_revision=Revision(epoch="e", sequence=1)), "resume_filter_digest"),
        (WatchInventoryRequest(heartbeat=Duration(nanos=1)), "heartbeat"),
        (WatchInventoryRequest(heartbeat=Duration(seconds=601)), "heartbeat"),
    ],
)
async def test_what_contradicts_itself_is_refused(agent: RawAgent, request_: WatchInventoryRequest, field: str) -> None:
    await agent.ready()
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await anext(aiter(agent.stream(request_)))
    refusal = refusal_of(error.value)
    assert (refusal.reason, refusal.metadata["field"]) == ("INVALID_FIELD", field)
