"""Which pools of which hosts are one storage.

Pools with one id are one storage. An id that was derived from a source may have several spellings: storages with such
ids are joined by any alias, unless they stand at different sites, where the same address is another machine. An id
that a person gave (configuration, or a marker in the storage) is joined with nothing but itself. Where these rules
contradict what is seen, the storage has an identity conflict.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from poolfleet.inventory.connected import connected
from poolfleet.inventory.seen import PoolSeen
from poolfleet.types.pool import Storage, StorageIdSource

_BY_WEIGHT = (StorageIdSource.CONFIGURED, StorageIdSource.MARKER, StorageIdSource.DERIVED, StorageIdSource.UNKNOWN)
_GIVEN = frozenset({StorageIdSource.CONFIGURED, StorageIdSource.MARKER})
# So many names on either side, and none in common: no delay between two looks explains that.
_TELLING = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """One storage, with every pool that lies on it; the freshest first."""

    storage_id: str
    source: StorageIdSource
    pools: tuple[PoolSeen, ...]
    conflict: str = ""
    """Why its id is not to be trusted, one sentence; empty: it is."""


def storage_of(seen: PoolSeen) -> Storage:
    """The pool's storage; where its agent knows none, the pool stands for itself."""
    return seen.pool.storage or Storage(
        id=f"pool:{seen.host.agent_id or seen.host.host}:{seen.pool.uuid or seen.pool.name}",
        source=StorageIdSource.UNKNOWN,
    )


def join(pools: Iterable[PoolSeen]) -> list[Joined]:
    """Join pools into storages, ordered by id. Each pool is in exactly one of them, and ids are unique."""
    groups = [
        part for group in connected(sorted(pools, key=lambda seen: seen.place), _names) for part in _by_site(group)
    ]
    ids = [_id(group) for group in groups]
    holders = Counter(ids)
    shared = _conflicts_between(groups)
    joined = []
    for index, (group, storage_id) in enumerate(zip(groups, ids, strict=True)):
        site = min(_sites(group), default="") if holders[storage_id] > 1 else ""
        joined.append(
            Joined(
                storage_id=f"{storage_id}@{site}" if site else storage_id,
                source=_source(group),
                pools=tuple(sorted(group, key=lambda seen: seen.age_order)),
                conflict=shared.get(index) or _conflict_within(group),
            )
        )
    return sorted(joined, key=lambda storage: storage.storage_id)


def _names(seen: PoolSeen) -> Iterator[str]:
    storage = storage_of(seen)
    yield storage.id
    if storage.source is StorageIdSource.DERIVED:
        yield from storage.aliases


def _source(group: Sequence[PoolSeen]) -> StorageIdSource:
    return min((storage_of(seen).source for seen in group), key=_BY_WEIGHT.index)


def _id(group: Sequence[PoolSeen]) -> str:
    source = _source(group)
    return min(storage_of(seen).id for seen in group if storage_of(seen).source is source)


def _sites(group: Sequence[PoolSeen]) -> set[str]:
    return {seen.host.site for seen in group if seen.host.site is not None}


def _by_site(group: list[PoolSeen]) -> Iterator[list[PoolSeen]]:
    """The group itself, or its parts where only derived names hold it together over several sites."""
    if len(_sites(group)) < 2 or _source(group) in _GIVEN:
        yield group
        return
    at: defaultdict[str, list[PoolSeen]] = defaultdict(list)
    for seen in group:
        at[seen.host.site or ""].append(seen)
    for part in at.values():
        yield from connected(part, _names)


def _conflicts_between(groups: Sequence[Sequence[PoolSeen]]) -> dict[int, str]:
    """Storages that stayed apart although they have a spelling in common that nothing explains."""
    holders: defaultdict[str, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        for name in {name for seen in group for name in (storage_of(seen).id, *storage_of(seen).aliases)}:
            holders[name].append(index)
    found: dict[int, str] = {}
    for name, indexes in holders.items():
        for index in indexes:
            for other in indexes:
                if index != other and _unexplained(groups[index], groups[other]):
                    found.setdefault(index, f"{name} is known by another id too: {_id(groups[other])}")
    return found


def _unexplained(one: Sequence[PoolSeen], other: Sequence[PoolSeen]) -> bool:
    if _source(one) in _GIVEN and _source(other) in _GIVEN:
        return False
    apart = bool(_sites(one)) and bool(_sites(other)) and _sites(one).isdisjoint(_sites(other))
    return not apart


def _conflict_within(group: Sequence[PoolSeen]) -> str:
    """Hosts that see quite different files under one id do not see one storage."""
    telling = [seen for seen in group if len(seen.volumes) >= _TELLING]
    if len({seen.host.host for seen in telling}) < 2:
        return ""
    first = telling[0]
    names = {volume.name for volume in first.volumes}
    for seen in telling[1:]:
        if seen.host.host != first.host.host and names.isdisjoint(volume.name for volume in seen.volumes):
            return f"{first.host.host} and {seen.host.host} see no volume in common"
    return ""
