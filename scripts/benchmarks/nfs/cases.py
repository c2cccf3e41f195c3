"""All cases of the benchmark, in the one place or in the other."""

from __future__ import annotations

from dataclasses import dataclass

from scripts.benchmarks.nfs.failures import first_failures
from scripts.benchmarks.nfs.place import Place
from scripts.benchmarks.nfs.pools import healthy_starts, pools
from scripts.benchmarks.nfs.silence import Silence
from scripts.benchmarks.report import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is measured. `starts` of each kind; so many `silences`, with a load of `window_s` for each system."""

    starts: int
    silences: int
    window_s: float


async def measure(place: Place, effort: Effort) -> list[Result]:
    """Every case; raises poolfleet's errors and NotReadyError."""
    async with place.agent() as agent:
        failures = await first_failures(place, agent, rounds=effort.starts)
        async with pools(place, agent):
            starts = await healthy_starts(place, agent, rounds=effort.starts)
            silences = await Silence(place=place, agent=agent, window_s=effort.window_s).run(rounds=effort.silences)
    return [*failures, *starts, *silences]
