"""Times calls of several systems one at a time, interleaved, so that whatever disturbs the machine disturbs all."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from scripts.benchmarks.report import Result, say

Call = Callable[[], Awaitable[object]]

BLOCK = 10
"""Calls of one case in a row: the first of them finds caches as the others left them, as single calls do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One system at one case. One that is slow is called in every `every`th block only, once."""

    case: str
    system: str
    call: Call
    slow: bool = False


async def compare(contenders: Sequence[Contender], *, calls: int) -> list[Result]:
    """Call each `calls` times (slow ones a tenth of it) after a warm-up, and sum up in the order given."""
    block = min(BLOCK, calls)
    for contender in contenders:
        await _timed_ms(contender, block)
    taken_ms: dict[tuple[str, str], list[float]] = {(one.case, one.system): [] for one in contenders}
    rounds = -(-calls // block)
    for number in range(rounds):
        if number % max(1, rounds // 10) == 0:
            say(f"calls: {number * block} of {calls} of each kind")
        for contender in contenders:
            taken_ms[contender.case, contender.system] += await _timed_ms(contender, block)
    return [Result.of(case, system, "latency", "ms", values) for (case, system), values in taken_ms.items()]


async def _timed_ms(contender: Contender, block: int) -> list[float]:
    taken_ms = []
    for _ in range(1 if contender.slow else block):
        began_s = time.perf_counter()
        await contender.call()
        taken_ms.append((time.perf_counter() - began_s) * 1000)
    return taken_ms
