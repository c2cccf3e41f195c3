"""Resolves what domains refer to into pools and volumes of this host: by path, through symbolic links, `<disk
type='volume'>`, other mounts of the same file system, and down the backing chains that the volumes themselves state."""

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from poolfleet_agent.inventory.snapshot import PoolEntry, Snapshot
from poolfleet_agent.model.domain_disk import DiskRole, DomainDisk, DomainDisks, DomainReading, DomainReference
from poolfleet_agent.model.errors import ModelError
from poolfleet_agent.model.pool import DIRECTORY_POOL_TYPES
from poolfleet_agent.model.ports import Files

LONGEST_CHAIN = 200
"""Depth at which a backing chain is taken for a circle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a volume is: pool and volume name."""

    pool: str
    volume: str


async def resolve_disks(reading: DomainReading, snapshot: Snapshot, files: Files, now_s: float) -> DomainDisks:
    """Resolve every reference. What cannot be looked at is told in `missing`, never left out."""
    index = _Index(snapshot.pools)
    missing = list(reading.missing)
    await index.find_targets(files)
    disks: list[DomainDisk] = []
    for reference in reading.references:
        path, place, trouble = await _locate(reference, index, files)
        if trouble:
            missing.append(f"domain {reference.domain}: {trouble}")
        disk = DomainDisk(
            reference=reference,
            path=path,
            pool=place.pool if place else "",
            volume=place.volume if place else "",
            storage_id=index.storage_id(place),
        )
        disks.append(disk)
        if place:
            disks.extend(index.chain_below(disk))
    unread = [entry.pool for entry in snapshot.pools.values() if entry.pool.unread_reason]
    missing.extend(f"pool {pool.name}: {pool.unread_message}" for pool in unread)
    unique = {_identity(disk): disk for disk in reversed(disks)}
    ordered = sorted(
        unique.values(), key=lambda disk: (disk.reference.domain, disk.reference.target, disk.reference.depth)
    )
    return DomainDisks(disks=tuple(ordered), missing=tuple(missing), as_of_s=now_s)


def _identity(disk: DomainDisk) -> tuple[str, ...]:
    reference = disk.reference
    return (
        reference.domain_uuid,
        reference.domain,
        reference.target,
        reference.role,
        disk.path,
        disk.pool,
        disk.volume,
    )


async def _locate(reference: DomainReference, index: "_Index", files: Files) -> tuple[str, _Place | None, str]:
    if reference.pool:
        place = _Place(pool=reference.pool, volume=reference.volume)
        return index.path_of(place), place, ""
    if not reference.path:
        return "", None, ""
    if known := index.at(reference.path):
        return reference.path, known, ""
    try:
        real = await files.real_path(reference.path)
        found = index.at(real) or await index.same_file(real, files)
    except ModelError as error:
        return reference.path, None, f"{reference.path} cannot be looked at: {error.message}"
    return reference.path, found, ""


class _Index:
    """The host's volumes by path, and its pools' targets."""

    def __init__(self, pools: Mapping[str, PoolEntry]) -> None:
        self._pools = pools
        self._by_path: dict[str, _Place] = {}
        self._devices: dict[str, int] = {}
        self._targets: dict[str, str] = {}
        for entry in pools.values():
            for record in entry.volumes.values():
                place = _Place(pool=entry.pool.name, volume=record.facts.name)
                self._by_path.setdefault(record.facts.path, place)

    async def find_targets(self, files: Files) -> None:
        """Learn where the targets of local directory pools really are."""
        for name, entry in self._pools.items():
            definition = entry.pool.definition
            target = definition.target_path
            if not (
                target and entry.pool.active and definition.type in DIRECTORY_POOL_TYPES and definition.server is None
            ):
                continue
            facts = await files.stat(target)
            if facts is not None:
                self._devices[name] = facts.device
                self._targets[await files.real_path(target)] = name

    def at(self, path: str) -> _Place | None:
        """The volume at a path, also where only its folder is known by another name."""
        if place := self._by_path.get(path):
            return place
        pool = self._targets.get(posixpath.dirname(path))
        name = posixpath.basename(path)
        return _Place(pool=pool, volume=name) if pool and name in self._pools[pool].volumes else None

    async def same_file(self, path: str, files: Files) -> _Place | None:
        """The volume that is the same file through another mount: same name, device and inode."""
        facts = await files.stat(path)
        if facts is None:
            return None
        name = posixpath.basename(path)
        for pool, device in self._devices.items():
            record = self._pools[pool].volumes.get(name)
            if device == facts.device and record is not None:
                other = await files.stat(record.facts.path)
                if other is not None and other.inode == facts.inode:
                    return _Place(pool=pool, volume=name)
        return None

    def path_of(self, place: _Place) -> str:
        """Path of a volume; empty where the pool or the volume is not known."""
        entry = self._pools.get(place.pool)
        record = entry.volumes.get(place.volume) if entry else None
        return record.facts.path if record else ""

    def storage_id(self, place: _Place | None) -> str:
        """Storage of a place; empty: not known."""
        entry = self._pools.get(place.pool) if place else None
        return entry.pool.storage.id if entry and entry.pool.storage else ""

    def chain_below(self, disk: DomainDisk) -> Iterator[DomainDisk]:
        """The volumes below a disk, as the volumes' own headers state them."""
        place = _Place(pool=disk.pool, volume=disk.volume)
        seen = {place}
        for depth in range(disk.reference.depth + 1, disk.reference.depth + LONGEST_CHAIN):
            entry = self._pools.get(place.pool)
            record = entry.volumes.get(place.volume) if entry else None
            if record is None or record.facts.backing_store is None or not record.facts.backing_store.path:
                return
            backing = record.facts.backing_store
            path = posixpath.normpath(posixpath.join(posixpath.dirname(record.facts.path), backing.path))
            below = self.at(path)
            reference = replace(
                disk.reference,
                role=DiskRole.BACKING,
                source_kind="file",
                path=path,
                pool="",
                volume="",
                read_only=True,
                format=backing.format,
                depth=depth,
            )
            yield DomainDisk(
                reference=reference,
                path=path,
                pool=below.pool if below else "",
                volume=below.volume if below else "",
                storage_id=self.storage_id(below),
            )
            if below is None or below in seen:
                return
            seen.add(below)
            place = below
