"""Clones that are all asked for at once, by a process of its own: its work must not slow down who measures."""

from __future__ import annotations

import asyncio
import functools
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

LIMIT_S = 900.0


async def clone_at_once(target: str, pool: str, source: str, names: Sequence[str]) -> list[float]:
    """Clone a volume of the agent's under all these names; for each, how long it took until it was there."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as one:
        work = functools.partial(_clone_all, target, pool, source, names)
        return await asyncio.get_running_loop().run_in_executor(one, work)


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
