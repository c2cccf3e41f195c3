"""The inventory of a fleet: hosts, storages, volumes and their users, and whether anything is missing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from poolfleet.types.disk import DiskRole, DomainState
from poolfleet.types.errors import PoolfleetError
from poolfleet.types.pool import StorageIdSource

Json = dict[str, object]


class HostStatus(StrEnum):
    """What a host contributed."""

    OK = "ok"
    STALE = "stale"
    """All, but older than its agent promises."""
    FAILED = "failed"
    """It answered; some part of it, or all, was an error."""
    UNREACHABLE = "unreachable"
    DUPLICATE = "duplicate"
    """Nothing: another entry of the fleet is the same agent, and contributed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryHost:
    """One host of the fleet."""

    name: str
    agent_id: str
    """Empty: not known."""
    status: HostStatus
    as_of: datetime | None = None
    """When the oldest part of its answer was looked at, by its own clock."""
    age_s: float | None = None
    error: PoolfleetError | None = None

    def to_dict(self) -> Json:
        """The host in documents; times are in UTC, as ISO 8601 has them."""
        return {
            "name": self.name,
            "agent_id": self.agent_id,
            "status": str(self.status),
            "as_of": _moment(self.as_of),
            "age_s": self.age_s,
            "error": f"{self.error.message} [{self.error.reason}]" if self.error else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class StoragePool:
    """A pool of one host on a storage."""

    host: str
    pool: str
    target: str
    """Path on the host; empty: the pool has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryStorage:
    """What one or more hosts pool. Sizes are those that the freshest answer gave; None: nobody knows."""

    storage_id: str
    source: StorageIdSource
    type: str
    """libvirt's pool type; where hosts differ, all of them with commas between."""
    identity_conflict: bool
    """Its id is not to be trusted: see `Inventory.missing`."""
    capacity_bytes: int | None
    allocation_bytes: int | None
    available_bytes: int | None
    pools: tuple[StoragePool, ...]
    filesystems: frozenset[tuple[str, str]] = field(repr=False)
    """Agent (of a share: site) and file system below each pool: storages that have one in common are one disk."""
    aliases: tuple[str, ...] = ()
    """Every other spelling of the storage that any host knows."""
    volume_count: int | None = None
    """How many volumes the agent of the freshest answer counts; None: it was never looked at."""
    as_of: datetime | None = None
    """When the oldest of its pools was looked at."""
    age_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class VolumePlace:
    """Where a host sees a volume."""

    host: str
    pool: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class VolumeUser:
    """A domain that refers to a volume."""

    host: str
    domain: str
    state: DomainState
    role: DiskRole


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryVolume:
    """A volume of a storage, once, however many hosts see it. Sizes and format are those of the freshest answer."""

    storage_id: str
    name: str
    format: str
    capacity_bytes: int | None
    allocation_bytes: int | None
    hosts: tuple[VolumePlace, ...]
    used_by: tuple[VolumeUser, ...]
    content_id: str = ""
    """As `Volume.content_id`: a copy of the file has the same; empty: none, or no host told it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmanagedDisk:
    """A file or device of a host that domains use, and that no pool of any host that was read has."""

    host: str
    path: str
    source_kind: str
    """`file`, `block` or `dir`."""
    used_by: tuple[VolumeUser, ...]
    doubts: tuple[str, ...]
    """Why a pool may have it all the same, a sentence each; empty: it is certain that none has."""

    def to_dict(self) -> Json:
        """The disk in documents."""
        return {
            "host": self.host,
            "path": self.path,
            "source_kind": self.source_kind,
            "used_by": [_user(user) for user in self.used_by],
            "doubts": list(self.doubts),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """A name, an id of their content, or both, that volumes of several storages have; empty is what they have not."""

    name: str
    content_id: str
    volumes: tuple[InventoryVolume, ...]
    doubts: tuple[str, ...]
    """Why they may be one volume after all, a sentence each; empty: they are several."""

    def to_dict(self) -> Json:
        """What they have in common, and the volumes, in documents."""
        return {
            "name": self.name,
            "content_id": self.content_id,
            "volumes": [_volume(each) for each in self.volumes],
            "doubts": list(self.doubts),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What the hosts of a fleet store, ordered by names and ids. The same answers give the same inventory."""

    hosts: tuple[InventoryHost, ...]
    storages: tuple[InventoryStorage, ...]
    volumes: tuple[InventoryVolume, ...]
    unmanaged: tuple[UnmanagedDisk, ...]
    """What domains use beside pools; of what has `doubts` it is not said."""
    duplicates: tuple[Duplicate, ...]
    """Names, and ids of content, that volumes of several storages have."""
    missing: tuple[str, ...]
    """Why it is not complete, a sentence each."""

    @property
    def complete(self) -> bool:
        """Whether every host answered for every active pool and all its domains, none of it stale, and ids agree."""
        return not self.missing

    @property
    def oldest_age_s(self) -> float | None:
        """Age of the oldest part when it was answered; None where nothing was."""
        return max((host.age_s for host in self.hosts if host.age_s is not None), default=None)

    def to_dict(self) -> Json:
        """The document of `poolfleet inventory -o json`; times are in UTC, as ISO 8601 has them."""
        return {
            "complete": self.complete,
            "missing": list(self.missing),
            "hosts": [host.to_dict() for host in self.hosts],
            "storages": [_storage(storage) for storage in self.storages],
            "volumes": [_volume(volume) for volume in self.volumes],
            "unmanaged": [disk.to_dict() for disk in self.unmanaged],
        }


def _moment(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None


def _storage(storage: InventoryStorage) -> Json:
    return {
        "storage_id": storage.storage_id,
        "source": str(storage.source),
        "type": storage.type,
        "identity_conflict": storage.identity_conflict,
        "capacity_bytes": storage.capacity_bytes,
        "allocation_bytes": storage.allocation_bytes,
        "available_bytes": storage.available_bytes,
        "as_of": _moment(storage.as_of),
        "age_s": storage.age_s,
        "pools": [{"host": pool.host, "pool": pool.pool, "target": pool.target} for pool in storage.pools],
    }


def _volume(volume: InventoryVolume) -> Json:
    return {
        "storage_id": volume.storage_id,
        "name": volume.name,
        "format": volume.format,
        "capacity_bytes": volume.capacity_bytes,
        "allocation_bytes": volume.allocation_bytes,
        "hosts": [{"host": place.host, "pool": place.pool, "path": place.path} for place in volume.hosts],
        "used_by": [_user(user) for user in volume.used_by],
        "content_id": volume.content_id,
    }


def _user(user: VolumeUser) -> Json:
    return {"host": user.host, "domain": user.domain, "state": str(user.state), "role": str(user.role)}
