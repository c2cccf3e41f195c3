"""A hundred watchers of one host, one of whom has stopped reading: the others are told all, the agent stays small."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import pytest

from poolfleet import InventoryBatch, PoolSpec, WatchedInventory
from poolfleet.aio import AgentClient
from poolfleet.v1.inventory_service_pb2 import WatchInventoryRequest
from scripts.benchmarks.memory import pss_bytes
from scripts.embedded.host import EmbeddedHost
from tests.raw_agent import raw_agent
from tests.virsh import virsh

WATCHERS = 99
VOLUMES = 1000
ROUNDS = 5
LIMIT_S = 120.0
MOST_GROWTH_BYTES = 60_000_000
"""What all rounds come to for one reader is 2 MB; held for each of them, it would be three times this limit."""

KIB = 1024


def resize_all(host: EmbeddedHost, folder: Path, size_bytes: int) -> None:
    """Behind libvirt's back, then libvirt is told."""
    for number in range(VOLUMES):
        with (folder / f"volume-{number:04d}.raw").open("ab") as file:
            os.truncate(file.fileno(), size_bytes)
    virsh(host, "pool-refresh", "p")


class Watcher:
    """Has the capacities that it was told."""

    def __init__(self, batches: AsyncIterator[InventoryBatch]) -> None:
        self.state = WatchedInventory()
        self._batches = batches

    async def until_all_have(self, size_bytes: int) -> None:
        async for batch in self._batches:
            if self.state.apply(batch) and self._all_have(size_bytes):
                return

    def _all_have(self, size_bytes: int) -> bool:
        pools = list(self.state.volumes.values())
        return (
            bool(pools)
            and len(pools[0]) == VOLUMES
            and all(one.capacity_bytes == size_bytes for one in pools[0].values())
        )


@pytest.mark.timeout(600)
async def test_one_that_stops_reading_harms_nobody(host: EmbeddedHost) -> None:
    folder = host.pools_dir / "p"
    async with AsyncExitStack() as ends:
        client = await ends.enter_async_context(AgentClient(host.agent.target))
        await client.pools.ensure(PoolSpec.dir("p", target=str(folder)))
        resize_all(host, folder, KIB)
        watchers = [Watcher(await _watch(ends, client)) for _ in range(WATCHERS)]
        # Over a connection of its own: what is sent to it must have nowhere to go.
        still = await ends.enter_async_context(raw_agent(host.agent.target))
        stopped = still.stream(WatchInventoryRequest(), timeout_s=None)
        ends.callback(stopped.cancel)
        await anext(aiter(stopped))
        before = 0
        for number in range(1, ROUNDS + 1):
            resize_all(host, folder, number * KIB)
            async with asyncio.timeout(LIMIT_S):
                await asyncio.gather(*(watcher.until_all_have(number * KIB) for watcher in watchers))
            before = before or pss_bytes(host.agent.pid)
        assert pss_bytes(host.agent.pid) - before < MOST_GROWTH_BYTES
        assert not stopped.done()


async def _watch(ends: AsyncExitStack, client: AgentClient) -> AsyncIterator[InventoryBatch]:
    return await ends.enter_async_context(aclosing(client.inventory.watch()))
