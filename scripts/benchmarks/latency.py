"""Times calls of several systems one at a time, interleaved, so that whatever disturbs the machine disturbs all."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from scripts.benchmarks.report import Result, say

Call = Callable[[], Awaitable[object]]

WARM_UP_CALLS = 20
SLOW_EVERY = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One system at one case. A slow one is called in every tenth round only."""

    case: str
    system: str
    call: Call
    slow: bool = False


async def compare(contenders: Sequence[Contender], *, calls: int) -> list[Result]:
    """Call each once a round, in `calls` rounds after a warm-up; summed up in the order given.

    Each round has its own order: otherwise who comes after whom, and finds whose caches, would count.
    """
    for contender in contenders:
        for _ in range(1 if contender.slow else WARM_UP_CALLS):
            await contender.call()
    taken_ms: list[list[float]] = [[] for _ in contenders]
    for number in range(calls):
        if number % max(1, calls // 10) == 0:
            say(f"calls: {number} of {calls} of each kind")
        for index in random.sample(range(len(contenders)), len(contenders)):
            if number % SLOW_EVERY == 0 or not contenders[index].slow:
                began_s = time.perf_counter()
                await contenders[index].call()
                taken_ms[index].append((time.perf_counter() - began_s) * 1000)
    return [
        Result.of(one.case, one.system, "latency", "ms", values)
        for one, values in zip(contenders, taken_ms, strict=True)
    ]
