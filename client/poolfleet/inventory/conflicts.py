"""When an id of a storage is not to be trusted: what its hosts see contradicts it.

Of two storages that are taken for one, a delete on one host would count the guests of another storage; of one that is
taken for two, it would count too few. So whatever cannot be explained is a conflict, until a person configures an id or
adopts the storage.
"""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from poolfleet.inventory.connected import connected
from poolfleet.inventory.seen import PoolSeen
from poolfleet.types.pool import StorageFingerprint, StorageIdSource

_BY_WEIGHT = (StorageIdSource.CONFIGURED, StorageIdSource.MARKER, StorageIdSource.DERIVED, StorageIdSource.UNKNOWN)


def _weight(source: StorageIdSource) -> int:
    """Its place in order; one of a later contract is like one that is not known."""
    return _BY_WEIGHT.index(source if source in _BY_WEIGHT else StorageIdSource.UNKNOWN)


_GIVEN = frozenset({StorageIdSource.CONFIGURED, StorageIdSource.MARKER})
# So many names on either side, and none in common: no delay between two looks explains that. So many files of one name
# and one inode: no chance does.
_TELLING = 3


_Files = tuple[int, tuple[tuple[str, int], ...]]


@dataclass(frozen=True)
class Group:
    """Pools that are taken for one storage."""

    pools: Sequence[PoolSeen]

    @cached_property
    def source(self) -> StorageIdSource:
        """The weightiest source that any of its hosts has for the id."""
        return min((seen.storage.source for seen in self.pools), key=_weight)

    @cached_property
    def id(self) -> str:
        """One id of that source: the first in order."""
        return min(seen.storage.id for seen in self.pools if seen.storage.source == self.source)

    @cached_property
    def given(self) -> bool:
        """Whether a person gave the id."""
        return self.source in _GIVEN

    @cached_property
    def sites(self) -> set[str]:
        """The sites of its hosts, as far as they have any."""
        return {seen.host.site for seen in self.pools if seen.host.site is not None}

    @cached_property
    def local_to(self) -> str:
        """The agent whose alone the storage is by its id; empty: it may be shared."""
        first = self.pools[0]
        mine = f"host:{first.host.agent_id}:"
        return first.host.agent_id if all(seen.storage.id.startswith(mine) for seen in self.pools) else ""


def conflicts(groups: Sequence[Group]) -> list[str]:
    """Say of each group why its id is not to be trusted, a sentence; empty: it is."""
    between: dict[int, str] = {}
    for index, words in (*_spellings_in_common(groups), *_files_in_common(groups)):
        between.setdefault(index, words)
    return [between.get(index) or next(_within(group), "") for index, group in enumerate(groups)]


def _spellings_in_common(groups: Sequence[Group]) -> Iterator[tuple[int, str]]:
    """Storages that stayed apart although they have a spelling in common that nothing explains."""
    holders: defaultdict[str, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        for name in sorted({name for seen in group.pools for name in seen.spellings}):
            holders[name].append(index)
    for name, indexes in holders.items():
        for index, other in _pairs(indexes):
            if _unexplained(groups[index], groups[other]):
                yield index, f"{name} is known by another id too: {groups[other].id}"


def _files_in_common(groups: Sequence[Group]) -> Iterator[tuple[int, str]]:
    """Storages that stayed apart although the same files lie in both; a person may say that one is a copy.

    Hosts that were installed from one image have the same files on disks of their own: those are not compared.
    """
    holders: defaultdict[_Files, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        for files in {telling for seen in group.pools if (telling := _telling(seen.storage.fingerprint))}:
            holders[files].append(index)
    for indexes in holders.values():
        of_agent: defaultdict[str, list[int]] = defaultdict(list)
        for index in indexes:
            of_agent[groups[index].local_to].append(index)
        shared = of_agent.pop("", [])
        a_local_one = [same[0] for same in of_agent.values()][:1]
        for index in indexes:
            group = groups[index]
            others = [*shared, *(of_agent[group.local_to] if group.local_to else a_local_one)]
            for other in others:
                if index != other and not (group.given and groups[other].given):
                    yield index, f"the same files, by name and inode, lie in {groups[other].id}"
                    break


def _pairs(indexes: Sequence[int]) -> Iterator[tuple[int, int]]:
    for index in indexes:
        for other in indexes:
            if index != other:
                yield index, other


def _unexplained(one: Group, other: Group) -> bool:
    if one.given and other.given:
        return False
    apart = bool(one.sites) and bool(other.sites) and one.sites.isdisjoint(other.sites)
    return not apart


def _within(group: Group) -> Iterator[str]:
    """Hosts that see different things under one id do not see one storage."""
    marked = [seen for seen in group.pools if seen.storage.fingerprint is not None]
    for seen in marked[1:]:
        if _root(seen) != _root(marked[0]):
            yield f"{_place(marked[0])} and {_place(seen)} have different root directories"
    full = [seen for seen in marked if _telling(seen.storage.fingerprint)]
    for seen in full[1:]:
        if _files(seen).isdisjoint(_files(full[0])):
            yield f"{_place(full[0])} and {_place(seen)} have no file in common, by name and inode"
    if group.source is StorageIdSource.DERIVED:
        known = [seen for seen in group.pools if any(_addresses(seen))]
        for part in connected(known, _proofs)[1:]:
            yield (
                f"{_place(known[0])} and {_place(part[0])} have only its name in common, which means another address"
                " on either"
            )
    yield from _volumes_apart(group.pools)


def _volumes_apart(pools: Iterable[PoolSeen]) -> Iterator[str]:
    telling = [seen for seen in pools if len(seen.volumes) >= _TELLING]
    for seen in telling[1:]:
        first = telling[0]
        names = {volume.name for volume in first.volumes}
        if seen.host.host != first.host.host and names.isdisjoint(volume.name for volume in seen.volumes):
            yield f"{first.host.host} and {seen.host.host} see no volume in common"


def _proofs(seen: PoolSeen) -> Iterator[Hashable]:
    """What makes two pools one storage beyond a name: an address in common, or the same files."""
    for spelling, address in _addresses(seen):
        # On every host this means another machine.
        own = address.is_loopback or address.is_link_local
        yield (seen.host.agent_id or seen.host.host, spelling) if own else spelling
    if files := _telling(seen.storage.fingerprint):
        yield files


def _addresses(seen: PoolSeen) -> Iterator[tuple[str, ipaddress.IPv4Address | ipaddress.IPv6Address]]:
    """The spellings by an address of the server: `nfs:10.0.0.5/export`, `nfs:[fd00::1]/export`."""
    for spelling in seen.spellings:
        server = spelling.partition(":")[2].partition("/")[0]
        try:
            yield spelling, ipaddress.ip_address(server.removeprefix("[").removesuffix("]"))
        except ValueError:
            continue


def _telling(fingerprint: StorageFingerprint | None) -> _Files | None:
    """Root and files of a fingerprint that has enough of them to tell storages apart; else nothing."""
    if fingerprint is None or len(fingerprint.files) < _TELLING:
        return None
    return fingerprint.root_inode, fingerprint.files


def _root(seen: PoolSeen) -> int | None:
    return seen.storage.fingerprint.root_inode if seen.storage.fingerprint else None


def _files(seen: PoolSeen) -> frozenset[tuple[str, int]]:
    return frozenset(seen.storage.fingerprint.files if seen.storage.fingerprint else ())


def _place(seen: PoolSeen) -> str:
    return f"{seen.host.host}:{seen.pool.name}"
