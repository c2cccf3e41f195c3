"""The benchmark `watch`: how long after a change those who watch its host have been told, up to the next bookmark.

Changes are made one at a time: volumes through the agent, and pools past it, which libvirt tells of. Watchers live in
the process that makes the changes, and so wait for each other's decoding too.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import libvirt

from poolfleet import InventoryBatch, PoolSpec, VolumeSpec
from poolfleet.aio import AgentClient
from scripts.benchmarks.report import Result, say
from scripts.embedded.host import EmbeddedHost

POOL = "watched"
TOLD_WITHIN_S = 60.0
MIB = 1 << 20

Change = Callable[[str], Awaitable[None]]


def run(root: Path, *, changes: int, watchers: int) -> list[Result]:
    """All cases on one host: with one watcher, then with so many."""
    with EmbeddedHost("host", root) as host:
        return asyncio.run(_all(host, changes, [1, watchers] if watchers > 1 else [1]))


async def _all(host: EmbeddedHost, changes: int, crowds: Sequence[int]) -> list[Result]:
    connection = libvirt.open(host.libvirtd.uri)
    try:
        async with AgentClient(host.agent.target) as agent:
            await agent.pools.ensure(PoolSpec.dir(POOL, target=str(host.pools_dir / POOL)))

            async def create(name: str) -> None:
                await agent.volumes.create(POOL, VolumeSpec(name, capacity_bytes=MIB, allocation_bytes=0))

            async def define(name: str) -> None:
                xml = (
                    f"<pool type='dir'><name>{name}</name><target><path>{host.pools_dir / name}</path></target></pool>"
                )
                await asyncio.to_thread(connection.storagePoolDefineXML, xml)

            results = []
            for crowd in crowds:
                for case, change in (("create_volume", create), ("define_pool_by_libvirt", define)):
                    say(f"watch: {case}, {changes} times, {crowd} watching")
                    results += await _measured(agent, case, change, changes, crowd)
            return results
    finally:
        connection.close()


async def _measured(agent: AgentClient, case: str, change: Change, changes: int, crowd: int) -> list[Result]:
    answered_ms, told_ms = [], []
    async with AsyncExitStack() as ends, asyncio.TaskGroup() as tasks:
        watchers = [_Watcher() for _ in range(crowd)]
        reading = [
            tasks.create_task(watcher.read(await ends.enter_async_context(aclosing(agent.inventory.watch()))))
            for watcher in watchers
        ]
        await asyncio.gather(*(watcher.up_to_date.wait() for watcher in watchers))
        for number in range(changes):
            name = f"{case}-{crowd}-{number}"
            began_s = time.perf_counter()
            await change(name)
            answered_s = time.perf_counter()
            async with asyncio.timeout(TOLD_WITHIN_S):
                told_s = max(await asyncio.gather(*(watcher.told(name) for watcher in watchers)))
            answered_ms.append((answered_s - began_s) * 1000)
            told_ms.append((told_s - began_s) * 1000)
        for task in reading:
            task.cancel()
    system = f"{crowd} watching"
    return [
        Result.of(case, system, "to_answer", "ms", answered_ms),
        Result.of(case, system, "to_last_watcher", "ms", told_ms),
    ]


class _Watcher:
    """Knows when the state that has a name was whole."""

    def __init__(self) -> None:
        self.up_to_date = asyncio.Event()
        self._told: defaultdict[str, asyncio.Future[float]] = defaultdict(asyncio.get_running_loop().create_future)

    def told(self, name: str) -> asyncio.Future[float]:
        """When a pool or a volume of that name was told of."""
        return self._told[name]

    async def read(self, batches: AsyncIterator[InventoryBatch]) -> None:
        """Note what is told, until it is cancelled."""
        names: set[str] = set()
        async for batch in batches:
            for pool in batch.pools:
                names |= {volume.name for volume in pool.volumes}
                if pool.pool is not None:
                    names.add(pool.pool.name)
            if batch.bookmark is None:
                continue
            for name in names:
                if not (told := self._told[name]).done():
                    told.set_result(time.perf_counter())
            names.clear()
            self.up_to_date.set()
