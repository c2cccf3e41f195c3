"""Remembers what changed in the last revisions, by names, so that whoever has an earlier state is told only that.

What a name stands for is read from the newest state: nothing is kept for a reader, however slow. A history too long to
remember is forgotten from its beginning.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from poolfleet_agent.inventory.diff import PoolChange

REMEMBERED = 200_000
"""Names that are remembered: of a large host, several times all that it has."""


@dataclass(slots=True)
class PoolDelta:
    """What of one pool to look up: the pool itself, all of it, or these volumes."""

    itself: bool = False
    whole: bool = False
    volumes: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Delta:
    """What to look up: pools by their UUIDs, and domains by theirs."""

    pools: dict[str, PoolDelta] = field(default_factory=dict)
    domains: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        """Whether there is anything to tell."""
        return bool(self.pools or self.domains)


@dataclass(frozen=True, slots=True)
class _PoolStep:
    uuid: str
    itself: bool
    whole: bool
    volumes: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Step:
    sequence: int
    pools: tuple[_PoolStep, ...]
    domains: frozenset[str]

    @property
    def weight(self) -> int:
        return 1 + len(self.domains) + sum(1 + len(pool.volumes) for pool in self.pools)


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

    def add(self, sequence: int, changes: Iterable[PoolChange], domains: frozenset[str]) -> None:
        """Remember one revision."""
        step = _Step(sequence, tuple(map(_step, changes)), domains)
        self._steps.append(step)
        self._weight += step.weight
        while self._weight > self._remembered and self._steps:
            oldest = self._steps.popleft()
            self._weight -= oldest.weight
            self._forgotten = oldest.sequence
        announced, self.changed = self.changed, asyncio.Event()
        announced.set()

    def since(self, sequence: int) -> Delta | None:
        """What changed since a revision; None: that is forgotten."""
        if sequence < self._forgotten:
            return None
        delta = Delta()
        for step in reversed(self._steps):
            if step.sequence <= sequence:
                break
            delta.domains |= step.domains
            for pool in step.pools:
                change = delta.pools.setdefault(pool.uuid, PoolDelta())
                change.itself |= pool.itself
                change.whole |= pool.whole
                change.volumes |= pool.volumes
        return delta


def _step(change: PoolChange) -> _PoolStep:
    # Of what is new, all is to be told: no name need be remembered.
    names = () if change.new else (*change.added, *change.changed, *change.removed, *change.used)
    return _PoolStep(change.pool_uuid, change.itself or change.pool_used, change.new, frozenset(names))
