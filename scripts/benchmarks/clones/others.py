"""What others have to wait for while a host is at work on many clones, beside what they wait for when it is not."""

from __future__ import annotations

import asyncio
import functools
import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from poolfleet import PoolSpec, VolumeSpec
from poolfleet.aio import AgentClient
from scripts.benchmarks.clones.crowd import Crowd, crowd
from scripts.benchmarks.figures import Figures
from scripts.benchmarks.report import Result, say
from scripts.benchmarks.storm import Call, Load, storm
from scripts.embedded.host import EmbeddedHost

CLONED, OTHER = "cloned", "other"
"""The pool that the clones are made in, and one that has nothing to do with them. Both are asked, in turn."""
SOURCE = "source"
SOURCE_BYTES = 1 << 30
SMALL_BYTES = 1 << 20
LOAD = Load(clients=1, pause_s=0.02)
"""Of each kind of call: a client that makes one, and rests a while."""
CASES = ("get_pool", "get_volume", "get_pool_fresh", "create_delete")
QUIET, LOADED = "latency_quiet", "latency_loaded"


@dataclass(kw_only=True)
class Others:
    """Rounds on one host, each of which is: `quiet_s` without, then `clones` at once, of `data_bytes` each."""

    host: EmbeddedHost
    agent: AgentClient
    clones: int
    data_bytes: int
    rounds: int
    quiet_s: float
    _figures: dict[tuple[str, str], Figures] = field(
        default_factory=lambda: {
            (case, metric): Figures(case=case, system="poolfleet", metric=metric, unit="ms")
            for case in CASES
            for metric in (QUIET, LOADED)
        }
    )

    async def run(self) -> list[Result]:
        """All rounds, summed up."""
        await self._prepare()
        names = [f"clone-{number}" for number in range(self.clones)]
        until_there: list[float] = []
        async with crowd(self.host.agent.target) as asking:
            for number in range(self.rounds):
                say(f"{self.clones} clones: {number + 1} of {self.rounds}")
                until_there += await self._round(asking, names)
        clone = Result.of("clone", "poolfleet", "until_there", "s", until_there)
        return [*(figures.result() for figures in self._figures.values()), clone]

    async def _round(self, asking: Crowd, names: Sequence[str]) -> list[float]:
        async with storm(LOAD, *self._calls(QUIET)):
            await asyncio.sleep(self.quiet_s)
        async with storm(LOAD, *self._calls(LOADED)):
            taken_s = await asking.clone_at_once(CLONED, SOURCE, names)
        for name in names:
            (self.host.pools_dir / CLONED / name).unlink()
        await self.agent.pools.refresh(CLONED)
        return taken_s

    async def _prepare(self) -> None:
        for pool in (CLONED, OTHER):
            await self.agent.pools.ensure(PoolSpec.dir(pool, target=str(self.host.pools_dir / pool)))
            await self.agent.volumes.create(pool, VolumeSpec(SOURCE, capacity_bytes=SOURCE_BYTES, allocation_bytes=0))
        with (self.host.pools_dir / CLONED / SOURCE).open("r+b") as file:
            file.write(b"data" * (self.data_bytes // 4))

    def _calls(self, metric: str) -> list[tuple[Figures, Sequence[Call]]]:
        agent, numbers = self.agent, itertools.count()

        async def create_and_delete(pool: str) -> None:
            name = f"small-{next(numbers)}"
            await agent.volumes.create(pool, VolumeSpec(name, capacity_bytes=SMALL_BYTES, allocation_bytes=0))
            await agent.volumes.delete(pool, name)

        made: dict[str, Callable[[str], Awaitable[object]]] = {
            "get_pool": agent.pools.get,
            "get_volume": lambda pool: agent.volumes.get(pool, SOURCE),
            "get_pool_fresh": lambda pool: agent.pools.get(pool, max_staleness_s=0),
            "create_delete": create_and_delete,
        }
        return [
            (self._figures[case, metric], [functools.partial(made[case], pool) for pool in (CLONED, OTHER)])
            for case in CASES
        ]
