"""What each pool is meant to be: kept by UUID, decided at first sight, changed by everybody's starts and stops."""

import math
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

import structlog

from poolfleet_agent.inventory.locks import Locks
from poolfleet_agent.model.desired_state import Desired, DesiredState, first_sight
from poolfleet_agent.model.errors import ModelError
from poolfleet_agent.model.pool import PoolFacts
from poolfleet_agent.model.ports import Clock, IntentStore, PoolIntent

log = structlog.get_logger(__name__)


@dataclass(kw_only=True)
class Intents:
    """Desired state and supervision of every pool, in memory and in the store."""

    store: IntentStore
    clock: Clock
    _known: dict[str, PoolIntent] = field(default_factory=dict)
    _before_boot: set[str] = field(default_factory=set)
    _wished_at_s: dict[str, float] = field(default_factory=dict)
    """When somebody wished it last, by a clock that nobody sets."""
    _changing: Locks = field(default_factory=Locks)
    """What is decided by what is known is stored before somebody else decides."""

    async def load(self, *, new_boot: bool) -> None:
        """Read the store. After a boot each pool is meant to be what its autostart says, when it is next seen."""
        self._known = {intent.pool_uuid: intent for intent in await self.store.load_all()}
        self._before_boot = set(self._known) if new_boot else set()

    async def of(self, facts: PoolFacts) -> PoolIntent:
        """What a pool is meant to be; decided now if it was never seen, or not since the boot."""
        if (known := self._decided(facts)) is not None:
            return known
        async with self._changing.of(facts.uuid):
            return self._decided(facts) or await self._at_first_sight(facts)

    def _decided(self, facts: PoolFacts) -> PoolIntent | None:
        return self._known.get(facts.uuid) if facts.uuid not in self._before_boot else None

    async def _at_first_sight(self, facts: PoolFacts) -> PoolIntent:
        known = self._known.get(facts.uuid)
        desired = first_sight(active=facts.active, autostart=facts.autostart, now_s=self.clock.now_s())
        intent = PoolIntent(pool_uuid=facts.uuid, desired=desired, supervised=known.supervised if known else True)
        try:
            await self._keep(intent)
            self._before_boot.discard(facts.uuid)
        except ModelError as error:
            # Looks must not fail because the agent's disk is full: it is decided again at the next.
            log.warning("a pool's desired state cannot be stored", reason=error.reason, error=error.message)
        return intent

    async def want(self, facts: PoolFacts, desired: Desired, why: str, *, at_s: float | None = None) -> bool:
        """Remember that somebody wants a pool started or stopped; True: it was meant to be otherwise.

        `at_s`: when that was (monotonic), where it is told later. What was wished since stays.
        """
        wished_at_s = self.clock.monotonic_s() if at_s is None else at_s
        async with self._changing.of(facts.uuid):
            intent = self._decided(facts) or await self._at_first_sight(facts)
            if wished_at_s < self._wished_at_s.get(facts.uuid, -math.inf):
                return False
            is_new = intent.desired.desired is not desired
            if is_new:
                state = DesiredState(desired=desired, since_s=self.clock.now_s(), why=why)
                await self._keep(replace(intent, desired=state))
            self._wished_at_s[facts.uuid] = wished_at_s
            return is_new

    async def supervise(self, facts: PoolFacts, *, supervised: bool) -> None:
        """Remember whether the agent may bring the pool to its desired state."""
        async with self._changing.of(facts.uuid):
            intent = self._decided(facts) or await self._at_first_sight(facts)
            if intent.supervised != supervised:
                await self._keep(replace(intent, supervised=supervised))

    def known(self) -> set[str]:
        """UUIDs of the pools that something is kept of."""
        return set(self._known)

    async def forget(self, uuids: AbstractSet[str]) -> None:
        """Forget pools that are no more."""
        for gone in uuids & self._known.keys():
            del self._known[gone]
            self._wished_at_s.pop(gone, None)
            await self.store.remove(gone)

    async def _keep(self, intent: PoolIntent) -> None:
        # Not known before it is stored: who is told that it cannot be stored asks again.
        await self.store.save(intent)
        self._known[intent.pool_uuid] = intent
