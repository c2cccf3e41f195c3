"""Resolves what domains refer to into pools and volumes of this host, down the backing chains.

What a file lies on is read from its own header: libvirt knows that only as it was at its last refresh, and only of
files in started pools.
"""

import posixpath
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace

from poolfleet_agent.inventory.links import Links
from poolfleet_agent.inventory.places import Found, Place, Places
from poolfleet_agent.inventory.snapshot import PoolEntry, Snapshot
from poolfleet_agent.model.compare import clean_path
from poolfleet_agent.model.disk_header import HEADER_BYTES, DiskHeader, read_disk_header
from poolfleet_agent.model.domain_disk import DiskRole, DomainDisk, DomainDisks, DomainReading, DomainReference
from poolfleet_agent.model.errors import ModelError
from poolfleet_agent.model.pool import DIRECTORY_POOL_TYPES
from poolfleet_agent.model.ports import FileKind, Files
from poolfleet_agent.model.quarantine import QUARANTINED

LONGEST_CHAIN = 200
"""Depth at which a backing chain is taken for a circle."""


async def resolve_disks(
    reading: DomainReading, snapshot: Snapshot, files: Files, links: Links, as_of_s: float
) -> DomainDisks:
    """Resolve every reference. What cannot be looked at is told in `missing`, never left out.

    A path that leads onto a dead share by a link is found where that led before. `as_of_s`: when the reading began.
    """
    places = Places(snapshot.pools, files, links.watch.table())
    resolver = _Resolver(snapshot=snapshot, files=files, places=places, links=links)
    resolver.missing = [*reading.missing, *await places.look(), *_unread(snapshot)]
    disks = [disk for reference in reading.references async for disk in resolver.resolve(reference)]
    # What the document itself says of a chain comes before what the headers say again.
    unique = {disk.identity: disk for disk in reversed(disks)}
    return DomainDisks(
        disks=tuple(sorted(unique.values(), key=lambda disk: disk.place_in_order)),
        missing=tuple(dict.fromkeys(resolver.missing)),
        as_of_s=as_of_s,
    )


def _unread(snapshot: Snapshot) -> Iterator[str]:
    """Pools whose volumes are known by nothing but libvirt's list, which could never be read.

    Those in quarantine were: what was seen counts, or one dead share would leave nothing on the host provably unused.
    """
    yield from (f"pool {name}: {error.message}" for name, error in snapshot.never_read.items())
    for entry in snapshot.pools.values():
        pool = entry.pool
        if pool.unread_reason in QUARANTINED and pool.volumes_as_of_s is not None:
            continue
        if pool.unread_reason and (pool.definition.type not in DIRECTORY_POOL_TYPES or pool.server):
            yield f"pool {pool.name}: {pool.unread_message}"


@dataclass(kw_only=True)
class _Resolver:
    snapshot: Snapshot
    files: Files
    places: Places
    links: Links
    missing: list[str] = field(default_factory=list)
    _headers: dict[str, DiskHeader | None] = field(default_factory=dict)

    async def resolve(self, reference: DomainReference) -> AsyncIterator[DomainDisk]:
        """A reference, and what it lies on."""
        stated = (Place(pool=reference.pool, volume=reference.volume),) if reference.pool else ()
        path = self.places.of_volume(stated[0]) if stated else reference.path
        seen: set[str] = set()
        pending = [replace(reference, path=path)]
        while pending:
            current = pending.pop()
            found = await self._find(current)
            for disk in self._disks(current, tuple(dict.fromkeys((*stated, *found.places)))):
                yield disk
            if self._is_known_elsewhere_by_another_name(current, found):
                yield DomainDisk(reference=current, path=found.path)
            stated = ()
            if found.path and found.path not in seen and len(seen) < LONGEST_CHAIN:
                seen.add(found.path)
                pending += await self._below(current, found)

    def _disks(self, reference: DomainReference, places: tuple[Place, ...]) -> Iterator[DomainDisk]:
        for place in places or (Place(pool="", volume=""),):
            entry = self.snapshot.pools.get(place.pool)
            yield DomainDisk(
                reference=reference,
                path=reference.path,
                pool=place.pool,
                volume=place.volume,
                storage_id=entry.pool.storage.id if entry and entry.pool.storage else "",
            )

    def _is_known_elsewhere_by_another_name(self, reference: DomainReference, found: Found) -> bool:
        """Whether links lead to a file that no pool here has: who has it on another host knows it by its own name."""
        own_name = posixpath.basename(found.path)
        return (
            reference.source_kind != "block"
            and own_name not in ("", posixpath.basename(reference.path), *(place.volume for place in found.places))
            and not any(place.volume for place in self.places.by_name(found.path))
        )

    async def _find(self, reference: DomainReference) -> Found:
        path = reference.path
        if not path.startswith("/"):
            return Found(path="", places=(), local=False)
        try:
            found = await self.places.find(path)
        except ModelError as error:
            real = self.links.follow(path)
            if real == clean_path(path):
                self.missing.append(f"domain {reference.domain}: {path} cannot be looked at: {error.message}")
            return Found(path=real, places=self.places.by_name(real), local=False)
        if found.path != clean_path(path):
            self.links.note(path, found.path)
        return found

    async def _below(self, reference: DomainReference, found: Found) -> list[DomainReference]:
        """What a file lies on, next to be resolved. A raw disk's content is its guest's, and says nothing."""
        if reference.format == "raw":
            return []
        header = await self._header(reference, found)
        if header is None:
            return []
        below = replace(
            reference, source_kind="file", pool="", volume="", read_only=True, depth=reference.depth + 1, format=""
        )
        folder = posixpath.dirname(found.path)
        next_ones = []
        if header.backing_path:
            path = posixpath.join(folder, header.backing_path)
            next_ones.append(replace(below, role=DiskRole.BACKING, path=path, format=header.backing_format))
        if header.data_path:
            path = posixpath.join(folder, header.data_path)
            next_ones.append(replace(below, role=DiskRole.DATA_FILE, path=path, format="raw", depth=reference.depth))
        return next_ones

    async def _header(self, reference: DomainReference, found: Found) -> DiskHeader | None:
        if found.path not in self._headers:
            try:
                self._headers[found.path] = await self._read_header(found)
            except ModelError as error:
                self.missing.append(f"domain {reference.domain}: {found.path} cannot be read: {error.message}")
                self._headers[found.path] = self._known_to_libvirt(found)
        return self._headers[found.path]

    async def _read_header(self, found: Found) -> DiskHeader | None:
        if not found.local:
            return self._known_to_libvirt(found)
        facts = await self.files.stat(found.path)
        if facts is None:
            return None
        if facts.kind is not FileKind.FILE:
            return self._known_to_libvirt(found)
        head = await self.files.head(found.path, HEADER_BYTES)
        return (read_disk_header(head) if head else None) or self._known_to_libvirt(found)

    def _known_to_libvirt(self, found: Found) -> DiskHeader | None:
        for place in found.places:
            entry: PoolEntry | None = self.snapshot.pools.get(place.pool)
            record = entry.volumes.get(place.volume) if entry else None
            if record is not None and record.facts.backing_store is not None:
                backing = record.facts.backing_store
                return DiskHeader(backing_path=backing.path, backing_format=backing.format)
        return None
