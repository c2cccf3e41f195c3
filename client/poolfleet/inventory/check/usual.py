"""How most hosts have a storage: what the others are held against."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from poolfleet.inventory.check.mounts import traits
from poolfleet.inventory.seen import PoolSeen
from poolfleet.types.pool import Pool


@dataclass(frozen=True, slots=True)
class Usual:
    """A value that most hosts have, or, where no value has more hosts than another, the first of them."""

    value: str
    hosts: tuple[str, ...]

    @property
    def where(self) -> str:
        """Who has it, in few words."""
        first, more = self.hosts[0], len(self.hosts) - 1
        return first + (f" and {more} more" if more else "")

    def __str__(self) -> str:
        return f"{self.value} as on {self.where}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Usually:
    """Name, target and mount that most hosts have."""

    name: Usual
    target: Usual | None
    """None: nobody has any."""
    traits: Mapping[str, Usual] = field(default_factory=dict)

    def likeness(self, pool: Pool) -> tuple[bool, bool, bool, int, bool]:
        """How much a pool is as usual: the more, the greater."""
        known = traits(pool)
        alike = sum(known.get(trait) == usual.value for trait, usual in self.traits.items())
        at_home = self.target is not None and target(pool) == self.target.value
        return pool.name == self.name.value, pool.active, at_home, alike, pool.autostart


def target(pool: Pool) -> str:
    """Where its volumes are found on its host; empty: it is no directory."""
    return posixpath.normpath(pool.target.path) if pool.target and pool.target.path else ""


def on_each_host(pools: Iterable[PoolSeen]) -> tuple[Usually, Mapping[str, PoolSeen]]:
    """What is usual among the pools of one storage, and each host's pool: of several the one that is most so."""
    ordered = sorted(pools, key=lambda seen: seen.place)
    targets = [(seen, where) for seen in ordered if (where := target(seen.pool))]
    plainly = Usually(
        name=_most([(seen, seen.pool.name) for seen in ordered]), target=_most(targets) if targets else None
    )
    of_host: dict[str, PoolSeen] = {}
    for seen in ordered:
        best = of_host.setdefault(seen.host.host, seen)
        if plainly.likeness(seen.pool) > plainly.likeness(best.pool):
            of_host[seen.host.host] = seen
    values: defaultdict[str, list[tuple[PoolSeen, str]]] = defaultdict(list)
    for seen in of_host.values():
        for trait, words in traits(seen.pool).items():
            values[trait].append((seen, words))
    return replace(plainly, traits={trait: _most(found) for trait, found in values.items()}), of_host


def _most(values: Iterable[tuple[PoolSeen, str]]) -> Usual:
    """The value of most hosts; there is one at least."""
    hosts: defaultdict[str, set[str]] = defaultdict(set)
    for seen, value in values:
        hosts[value].add(seen.host.host)
    value = min(hosts, key=lambda value: (-len(hosts[value]), min(hosts[value])))
    return Usual(value, tuple(sorted(hosts[value])))
