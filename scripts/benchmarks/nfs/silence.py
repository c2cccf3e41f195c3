"""The mounted share falls silent under many clients: what other pools see of it, what its own callers get, and how long
it takes to be well again when the share answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

from tenacity import AsyncRetrying, RetryError, retry_if_result, stop_after_delay, wait_fixed

from poolfleet import PoolfleetError
from poolfleet.aio import AgentClient
from poolfleet.types.pool import HealthStatus
from scripts.benchmarks.figures import CutOffError, Figures
from scripts.benchmarks.nfs.place import Place, must
from scripts.benchmarks.nfs.pools import FAR, NEAR, VOLUME
from scripts.benchmarks.report import Result, say
from scripts.benchmarks.storm import Call, storm
from scripts.embedded.process import NotReadyError

HEALTH_LIMIT_S = 300.0
LOOK_EVERY_S = 0.05

OTHERS, ANSWER, RECOVERY = "other_pools_while_silent", "dead_pool_answer", "recovery"
_UNRECORDED = "unrecorded"


def _latency(case: str, system: str, metric: str) -> Figures:
    return Figures(case=case, system=system, metric=metric, unit="ms")


@dataclass(kw_only=True)
class Silence:
    """The rounds on one place; each is: all well, silence, all well again."""

    place: Place
    agent: AgentClient
    window_s: float
    """How long each system is under load, in each state."""
    ours: dict[str, Figures] = field(
        default_factory=lambda: {
            "healthy": _latency(OTHERS, "poolfleet", "latency_healthy"),
            "silent": _latency(OTHERS, "poolfleet", "latency_silent"),
            "dead_reads": _latency(ANSWER, "poolfleet", "latency_reads"),
            "dead_changes": _latency(ANSWER, "poolfleet", "latency_changes"),
            _UNRECORDED: _latency(OTHERS, "poolfleet", "far"),
            "back": Figures(case=RECOVERY, system="poolfleet", metric="until_healthy", unit="s"),
        }
    )
    peers: dict[str, Figures] = field(
        default_factory=lambda: {
            "healthy": _latency(OTHERS, "virsh", "latency_healthy"),
            "silent": _latency(OTHERS, "virsh", "latency_silent"),
            _UNRECORDED: _latency(OTHERS, "virsh", "far"),
            "back": Figures(case=RECOVERY, system="virsh", metric="until_refreshed", unit="s"),
        }
    )

    async def run(self, *, rounds: int) -> list[Result]:
        """All rounds, summed up."""
        for number in range(rounds):
            say(f"{OTHERS}: {number + 1} of {rounds}")
            await self.agent.pools.start(FAR)
            await must(self.place, "pool-start", FAR)
            await self._round()
            await self.agent.pools.stop(FAR)
            await must(self.place, "pool-destroy", FAR)
        recorded = [(name, figures) for system in (self.ours, self.peers) for name, figures in system.items()]
        return [figures.result() for name, figures in recorded if name != _UNRECORDED]

    async def _round(self) -> None:
        near = [call for name in NEAR for call in self._reads(name)]
        async with storm(self.place.load, (self.ours["healthy"], near)), self._far(_UNRECORDED, _UNRECORDED):
            await asyncio.sleep(self.window_s)
        async with self._virsh_storm("healthy"):
            await asyncio.sleep(self.window_s)
        try:
            async with storm(self.place.load, (self.ours["silent"], near)):
                async with self._far(_UNRECORDED, _UNRECORDED):
                    await self.place.silence()
                    await self.agent.pools.refresh(FAR, wait=False)
                    await self._until(HealthStatus.UNRESPONSIVE)
                say("the agent knows that the share is silent")
                async with self._far("dead_reads", "dead_changes"):
                    await asyncio.sleep(self.window_s)
            # Its libvirt meets the silence as the agent's did: by a refresh.
            hung = asyncio.create_task(_whatever_comes(self._virsh("pool-refresh", FAR)))
            async with self._virsh_storm("silent"):
                await asyncio.sleep(self.window_s)
            await hung
        finally:
            await self.place.heal()
        say("the share answers again")
        await asyncio.gather(
            self.ours["back"].time(lambda: self._until(HealthStatus.HEALTHY)),
            self.peers["back"].time(self._until_refreshed),
        )

    def _far(self, reads: str, changes: str) -> AbstractAsyncContextManager[None]:
        """Within the block as many clients call the share's pool, alive or dead: a refusal is an answer."""
        read = [functools.partial(_whatever_it_says, call) for call in self._reads(FAR)]
        change = functools.partial(_whatever_it_says, lambda: self.agent.volumes.delete(FAR, "none"))
        return storm(self.place.load, (self.ours[reads], read), (self.ours[changes], [change]))

    @asynccontextmanager
    async def _virsh_storm(self, state: str) -> AsyncIterator[None]:
        near: list[Call] = []
        for name in NEAR:
            near += [functools.partial(must, self.place, *words) for words in _read_words(name)]
        far = [self._virsh(*words) for words in _read_words(FAR)]
        async with storm(self.place.virsh_load, (self.peers[state], near), (self.peers[_UNRECORDED], far)):
            yield

    def _reads(self, pool: str) -> list[Call]:
        return [
            lambda: self.agent.pools.get(pool, max_staleness_s=0),
            lambda: self.agent.volumes.get(pool, VOLUME, max_staleness_s=0),
            lambda: self.agent.volumes.read_all(pool, max_staleness_s=0),
        ]

    def _virsh(self, *words: str) -> Call:
        return functools.partial(self.place.virsh, *words)

    async def _until(self, status: HealthStatus) -> None:
        """Return when the agent says so of the share's pool; raises NotReadyError."""

        async def says_so() -> bool:
            health = (await self.agent.pools.get(FAR)).health
            return health is not None and health.status is status

        await _again_until(says_so, what=f"the agent says {status} of the share's pool")

    async def _until_refreshed(self) -> None:
        """Return when libvirt has looked at the share again."""

        async def refreshed() -> bool:
            return await self.place.virsh("pool-refresh", FAR) == 0

        await _again_until(refreshed, what="libvirt has looked at the share again")


def _read_words(pool: str) -> list[Sequence[str]]:
    """virsh's words for what `_reads` reads."""
    return [("pool-info", pool), ("vol-info", VOLUME, pool), ("vol-list", pool)]


async def _again_until(seen: Call, *, what: str) -> None:
    """Return when it says yes; raises NotReadyError."""
    retrying = AsyncRetrying(
        retry=retry_if_result(lambda found: not found),
        wait=wait_fixed(LOOK_EVERY_S),
        stop=stop_after_delay(HEALTH_LIMIT_S),
    )
    try:
        await retrying(seen)
    except RetryError as error:
        raise NotReadyError(f"{what}: not within {HEALTH_LIMIT_S:g} s") from error


async def _whatever_it_says(call: Call) -> None:
    with contextlib.suppress(PoolfleetError):
        await call()


async def _whatever_comes(call: Call) -> None:
    with contextlib.suppress(CutOffError):
        await call()
