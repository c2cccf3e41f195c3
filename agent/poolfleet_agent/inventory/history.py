"""Remembers what changed in the last revisions, by names, so that whoever has an earlier state is told only that.

What a name stands for is read from the newest snapshot: nothing is kept for a reader, however slow. A history too long
to remember is forgotten from its beginning.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from poolfleet_agent.inventory.changes import NONE, PoolTouched

REMEMBERED = 200_000
"""Names that are remembered: of a large host, several times all that it has."""


@dataclass(slots=True)
class PoolDelta:
    """What of one pool to look up in the snapshot."""

    itself: bool = False
    whole: bool = False
    volumes: set[str] = field(default_factory=set)
    usage_left: bool = False
    """Whether there is usage of it to be told, which was not asked for."""


@dataclass(slots=True)
class Delta:
    """What to look up: pools by their UUIDs, and domains by theirs."""

    pools: dict[str, PoolDelta] = field(default_factory=dict)
    domains: set[str] = field(default_factory=set)
    usage_left: bool = False
    """As PoolDelta's, of any pool."""

    def __bool__(self) -> bool:
        """Whether there is anything to tell."""
        return bool(self.pools or self.domains)


@dataclass(frozen=True, slots=True)
class _Step:
    sequence: int
    pools: tuple[PoolTouched, ...]
    domains: frozenset[str]

    @property
    def weight(self) -> int:
        return len(self.domains) + sum(pool.weight for pool in self.pools)


class History:
    """The last revisions of one epoch."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        """Begin with nothing; `remembered` names at most."""
        self._steps: deque[_Step] = deque()
        self._weight = 0
        self._remembered = remembered
        self._forgotten = 0
        """The last sequence that is not remembered."""
        self.changed = asyncio.Event()
        """Set with the next revision, which puts another event in its place."""

    def add(self, sequence: int, pools: Iterable[PoolTouched] = (), domains: frozenset[str] = NONE) -> None:
        """Remember one revision."""
        step = _Step(sequence, tuple(pools), domains)
        self._steps.append(step)
        self._weight += step.weight
        while self._weight > self._remembered and self._steps:
            oldest = self._steps.popleft()
            self._weight -= oldest.weight
            self._forgotten = oldest.sequence
        announced, self.changed = self.changed, asyncio.Event()
        announced.set()

    def since(self, told: int, settled: int, *, usage: bool) -> Delta | None:
        """What a reader lacks who was told all up to `told`, and all usage up to `settled`; None: forgotten.

        Without `usage`, what is only usage is left for later.
        """
        if settled < self._forgotten:
            return None
        delta = Delta()
        left: set[str] = set()
        for step in reversed(self._steps):
            if step.sequence <= settled:
                break
            new = step.sequence > told
            if new:
                delta.domains |= step.domains
            for pool in step.pools:
                if pool.has_usage and not usage:
                    left.add(pool.uuid)
                _add(delta, pool, new=new, usage=usage)
        delta.usage_left = bool(left)
        for uuid in left & delta.pools.keys():
            delta.pools[uuid].usage_left = True
        return delta


def _add(delta: Delta, pool: PoolTouched, *, new: bool, usage: bool) -> None:
    names = pool.volumes if new else NONE
    itself, whole = new and pool.itself, new and pool.whole
    if usage:
        names |= pool.volumes_usage
        itself = itself or pool.itself_usage
    if names or itself or whole:
        change = delta.pools.setdefault(pool.uuid, PoolDelta())
        change.itself |= itself
        change.whole |= whole
        change.volumes |= names
