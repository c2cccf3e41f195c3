"""Clones that are all asked for at once, by a process of its own: its work must not slow down who measures."""

from __future__ import annotations

import asyncio
import functools
import multiprocessing
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager

LIMIT_S = 900.0


class Crowd:
    """Who asks for clones of one agent; made by `crowd`."""

    def __init__(self, process: ProcessPoolExecutor, target: str) -> None:
        """Asks through a process that has begun already: its start is work that no crowd has."""
        self._process = process
        self._target = target

    async def clone_at_once(self, pool: str, source: str, names: Sequence[str]) -> list[float]:
        """Clone a volume of the agent's under all these names; for each, how long it took until it was there."""
        work = functools.partial(_clone_all, self._target, pool, source, names)
        return await asyncio.get_running_loop().run_in_executor(self._process, work)


@asynccontextmanager
async def crowd(target: str) -> AsyncIterator[Crowd]:
    """Within the block there is one, ready to ask."""
    process = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
    try:
        await asyncio.get_running_loop().run_in_executor(process, _get_ready)
        yield Crowd(process, target)
    finally:
        await asyncio.to_thread(process.shutdown)


def _get_ready() -> None:
    import poolfleet.aio  # noqa: F401


def _clone_all(target: str, pool: str, source: str, names: Sequence[str]) -> list[float]:
    return asyncio.run(_clone_each(target, pool, source, names))


async def _clone_each(target: str, pool: str, source: str, names: Sequence[str]) -> list[float]:
    from poolfleet import CloneSpec
    from poolfleet.aio import AgentClient

    async with AgentClient(target) as agent:
        began_s = time.perf_counter()

        async def taken(name: str) -> float:
            await agent.volumes.clone(pool, source, CloneSpec(name), timeout_s=LIMIT_S)
            return time.perf_counter() - began_s

        return await asyncio.gather(*(taken(name) for name in names))
