"""Collects what one system takes for one case, call by call; a call that is cut off counts with its limit."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from scripts.benchmarks.report import Result


class CutOffError(Exception):
    """A call did not end within `limit_s`, and was given up."""

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"not within {limit_s:g} s")
        self.limit_s = limit_s


@dataclass(kw_only=True)
class Figures:
    """What was taken so far, in `unit`: `s` or `ms`."""

    case: str
    system: str
    metric: str
    unit: str
    failure: str | None = None
    """The kind of failure that is waited for, as last seen."""
    timed_out: bool = False
    values: list[float] = field(default_factory=list)

    async def time(self, call: Callable[[], Awaitable[object]]) -> None:
        """Make a call and record what it took; what it raises is raised, but for CutOffError."""
        began_s = time.perf_counter()
        try:
            await call()
            taken_s = time.perf_counter() - began_s
        except CutOffError as error:
            taken_s = error.limit_s
            self.timed_out = True
        self.values.append(taken_s * (1000 if self.unit == "ms" else 1))

    def result(self) -> Result:
        """All of it summed up; there is at least one value."""
        return Result.of(
            self.case,
            self.system,
            self.metric,
            self.unit,
            self.values,
            failure=self.failure,
            timed_out=self.timed_out,
        )
