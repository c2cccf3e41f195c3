"""What somebody starts or stops on the host is meant to be so: heard of by libvirt's events, believed after a look."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from poolfleet_agent.inventory.intents import Intents
from poolfleet_agent.inventory.own_changes import LATE_S, Owed, OwnChanges
from poolfleet_agent.inventory.registry import Registry
from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.desired_state import Desired
from poolfleet_agent.model.errors import ModelError
from poolfleet_agent.model.pool import PoolDefinition
from poolfleet_agent.model.ports import Clock, PoolEvent, PoolEventKind

_CHANGES = {PoolEventKind.STARTED: Desired.STARTED, PoolEventKind.STOPPED: Desired.STOPPED}

log = structlog.get_logger(__name__)


@dataclass(eq=False, slots=True)
class _Heard:
    """An event, and when that was (monotonic); `ours`: what of ours it comes from, once that `is_known`."""

    event: PoolEvent
    at_s: float
    ours: Owed | None = None
    is_known: bool = False


@dataclass(kw_only=True)
class Wishes:
    """What was heard of and is not judged yet, as heard."""

    registry: Registry
    intents: Intents
    clock: Clock
    own_changes: OwnChanges
    server_answers: Callable[[PoolDefinition], Awaitable[bool]]
    """Whether the server of a network pool answers a probe."""
    look: Callable[[str], Awaitable[object]]
    """Shows what a pool is meant to be now; what fails of that is its own affair."""
    _heard: list[_Heard] = field(default_factory=list)

    def hear(self, event: PoolEvent) -> None:
        """Take an event; it is judged later."""
        if event.kind in _CHANGES:
            self._heard.append(_Heard(event, self.clock.monotonic_s()))

    def __len__(self) -> int:
        """How many there are to be judged."""
        return len(self._heard)

    def is_undecided(self, pool: str) -> bool:
        """Whether a pool was started or stopped, and it is not noted yet what it is meant to be by that."""
        return any(heard.event.pool == pool for heard in self._heard)

    async def note(self, count: int) -> set[str]:
        """Judge as many, which were heard before the look that has just ended: of what was heard since it saw nothing.

        The answer is the pools that have to be looked at once more for that.
        """
        by_pool: dict[str, list[_Heard]] = {}
        for heard in self._heard[:count]:
            by_pool.setdefault(heard.event.pool, []).append(heard)
        wait = set()
        for pool, events in by_pool.items():
            entry = self.registry.snapshot.pools.get(pool)
            is_last = all(heard.event.pool != pool for heard in self._heard[count:])
            is_judged = False
            try:
                if not self._is_too_early(pool, entry, events[-1]):
                    is_judged = await self._judge(entry, events, is_last=is_last)
            except ModelError as error:
                log.warning("what is meant cannot be noted", pool=pool, reason=error.reason, error=error.message)
            if is_judged:
                self._heard = [heard for heard in self._heard if heard not in events]
            else:
                wait.add(pool)
        return wait

    def _is_too_early(self, pool: str, entry: PoolEntry | None, last: _Heard) -> bool:
        """Whether a call of ours that may be the cause has not returned, or the pool could not be looked at since."""
        if self.own_changes.may_explain(pool, heard_at_s=last.at_s):
            return True
        if entry is None:
            return pool in self.registry.snapshot.never_read
        # One whose share does not answer is not looked at, and nobody can stop it.
        return entry.looked_at_s < last.at_s and not entry.pool.quarantined

    async def _judge(self, entry: PoolEntry | None, events: list[_Heard], *, is_last: bool) -> bool:
        """False: something else has happened since, and is judged with it when that is heard.

        The last that is not ours is what is meant: what our calls did since, such as a failed refresh, is not. But
        what was wished of the agent later is, and has been noted.
        """
        if entry is None:
            return True
        if entry.pool.active != (events[-1].event.kind is PoolEventKind.STARTED):
            is_lost = is_last and self.clock.monotonic_s() - events[-1].at_s > LATE_S
            return is_lost or entry.pool.quarantined
        others: list[_Heard] = []
        for heard in events:
            if not heard.is_known:
                heard.ours = self.own_changes.explain(heard.event, heard_at_s=heard.at_s)
                heard.is_known = True
            if heard.ours is None and heard.event.uuid in {"", entry.pool.facts.uuid}:
                others.append(heard)
            elif heard.ours is not None and heard.ours.wished:
                others.clear()
        if others:
            await self._believe(entry, others[-1])
        return True

    async def _believe(self, entry: PoolEntry, wish: _Heard) -> None:
        """Unless a server may have failed. What was wished of the agent since stays: it may be about to do it."""
        pool, wanted = entry.pool, _CHANGES[wish.event.kind]
        if (await self.intents.of(pool.facts)).desired.desired is wanted:
            return
        # A refresh that fails and a person's pool-destroy give the same event.
        may_have_failed = wanted is Desired.STOPPED and pool.definition.server is not None
        if may_have_failed and not await self.server_answers(pool.definition):
            log.info("pool stopped as its server failed", pool=pool.name)
            return
        if await self.intents.want(pool.facts, wanted, f"{wanted.lower()} on the host", at_s=wish.at_s):
            await self.look(pool.name)
