"""Which pools of which hosts are one storage.

Pools with one id are one storage. An id that was derived from a source may have several spellings: storages with such
ids are joined by any alias, unless they stand at different sites, where the same address is another machine. An id
that a person gave (configuration, or a marker in the storage) is joined with nothing but itself. Where these rules
contradict what is seen, the storage has an identity conflict.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from poolfleet.inventory.conflicts import Group, conflicts
from poolfleet.inventory.connected import connected
from poolfleet.inventory.model import HostStatus
from poolfleet.inventory.seen import HostSeen, PoolSeen
from poolfleet.types.pool import Pool, StorageIdSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """One storage, with every pool that lies on it; the freshest first."""

    storage_id: str
    source: StorageIdSource
    pools: tuple[PoolSeen, ...]
    aliases: tuple[str, ...] = ()
    """Every other spelling of it that any of its hosts knows, in order."""
    conflict: str = ""
    """Why its id is not to be trusted, one sentence; empty: it is."""

    @property
    def started(self) -> list[PoolSeen]:
        """Those of its pools that are started."""
        return [seen for seen in self.pools if seen.pool.active]

    @property
    def local_to(self) -> str:
        """The host whose alone it is by its id; empty: it may be shared."""
        own = self.source is StorageIdSource.DERIVED and self.storage_id.startswith("host:")
        return self.pools[0].host.host if own else ""


def join(pools: Iterable[PoolSeen]) -> list[Joined]:
    """Join pools into storages, ordered by id. Each pool is in exactly one of them, and ids are unique."""
    groups = _groups(pools)
    joined = [
        Joined(
            storage_id=storage_id,
            source=group.source,
            pools=tuple(sorted(group.pools, key=lambda seen: seen.age_order)),
            aliases=tuple(sorted({name for seen in group.pools for name in seen.spellings} - {group.id})),
            conflict=conflict,
        )
        for group, storage_id, conflict in zip(groups, _storage_ids(groups), conflicts(groups), strict=True)
    ]
    return sorted(joined, key=lambda storage: storage.storage_id)


def joined_ids(pools: Iterable[tuple[str, Pool]], sites: Mapping[str, str | None]) -> dict[tuple[str, str], str]:
    """The id of the storage that each pool lies on, by host and pool: the same as the inventory of these hosts has."""
    seen = [
        PoolSeen(host=HostSeen(host=host, status=HostStatus.OK, site=sites.get(host)), pool=pool)
        for host, pool in pools
    ]
    groups = _groups(seen)
    ids = zip(groups, _storage_ids(groups), strict=True)
    return {one.place: storage_id for group, storage_id in ids for one in group.pools}


def _groups(pools: Iterable[PoolSeen]) -> list[Group]:
    ordered = sorted(pools, key=lambda seen: seen.place)
    return [Group(part) for group in connected(ordered, _names) for part in _by_site(group)]


def _storage_ids(groups: Sequence[Group]) -> Iterator[str]:
    """One for each group, in their order: with its site, where another group has the same id."""
    holders = Counter(group.id for group in groups)
    for group in groups:
        site = min(group.sites, default="") if holders[group.id] > 1 else ""
        yield f"{group.id}@{site}" if site else group.id


def _names(seen: PoolSeen) -> Iterator[str]:
    yield seen.storage.id
    if seen.storage.source is StorageIdSource.DERIVED:
        yield from seen.storage.aliases


def _by_site(pools: Sequence[PoolSeen]) -> Iterator[list[PoolSeen]]:
    """The pools themselves, or their parts where only derived names hold them together over several sites."""
    group = Group(pools)
    if len(group.sites) < 2 or group.given:
        yield list(pools)
        return
    at: defaultdict[str, list[PoolSeen]] = defaultdict(list)
    for seen in pools:
        at[seen.host.site or ""].append(seen)
    for part in at.values():
        yield from connected(part, _names)
