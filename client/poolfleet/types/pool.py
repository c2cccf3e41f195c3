"""Storage pools: what an agent knows of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from poolfleet.types.pool_source import PoolSource
from poolfleet.types.pool_spec import PoolMount, PoolSpec, PoolTarget


class PoolState(StrEnum):
    """libvirt's state of a pool."""

    UNKNOWN = "unknown"
    INACTIVE = "inactive"
    BUILDING = "building"
    RUNNING = "running"
    DEGRADED = "degraded"
    INACCESSIBLE = "inaccessible"

    @property
    def active(self) -> bool:
        """Whether a pool of this state is started."""
        return self in (PoolState.RUNNING, PoolState.DEGRADED, PoolState.INACCESSIBLE)


class HealthStatus(StrEnum):
    """Whether an active pool can be used."""

    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    SUSPECT = "suspect"
    UNRESPONSIVE = "unresponsive"
    FAULTY = "faulty"


class Desired(StrEnum):
    """What a pool can be meant to be."""

    UNKNOWN = "unknown"
    STARTED = "started"
    STOPPED = "stopped"


class StorageIdSource(StrEnum):
    """Where a storage's id comes from."""

    UNKNOWN = "unknown"
    CONFIGURED = "configured"
    MARKER = "marker"
    DERIVED = "derived"


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredState:
    """What a pool is meant to be, whatever it is now."""

    desired: Desired
    since: datetime | None
    why: str
    """What decided it, such as `StartPool by admin`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolHealth:
    """Whether an active pool can be used, and why not."""

    status: HealthStatus
    reason: str = ""
    """Name of an `ErrorReason` without its prefix; empty where healthy."""
    message: str = ""
    since: datetime | None = None
    probed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingDefinition:
    """What a pool will be after its next start, where that differs from what it is."""

    fields: tuple[str, ...]
    """Names of the fields that differ, such as `target.path`."""
    spec: PoolSpec | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageFingerprint:
    """Inode numbers in a storage's root directory: the same on every host that sees it, whatever it is called there."""

    root_inode: int
    files: tuple[tuple[str, int], ...] = ()
    """Names and inode numbers of up to 20 files, those with the lowest numbers, the lowest first."""
    too_many_names: bool = False
    """The directory has more names than are looked at; then `files` is empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageSigns:
    """Whose agents have an adopted storage: each leaves a sign of life in it that stays until a person removes it."""

    since: datetime | None
    """When it was adopted, or the last sign came or went: agents at work for a day since then have left theirs."""
    agent_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """What lies behind a pool. A derived id may be another host's alias: the inventory joins them."""

    id: str
    source: StorageIdSource
    aliases: tuple[str, ...] = ()
    """Every other spelling of it that this host knows: the server by name and by each of its addresses."""
    fingerprint: StorageFingerprint | None = None
    """None: the pool is no directory, or was not looked at while its share answered."""
    signs: StorageSigns | None = None
    """None: it was not adopted, or its signs of life could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A storage pool of one host."""

    name: str
    uuid: str
    type: str
    """`dir`, `netfs`, `logical`, …, in libvirt's spelling."""
    state: PoolState
    desired_state: DesiredState | None = None
    supervised: bool = False
    """Whether the agent brings it to its desired state."""
    health: PoolHealth | None = None
    """None where the pool is inactive."""
    autostart: bool = False
    persistent: bool = False
    """Whether it has a stored definition."""
    capacity_bytes: int | None = None
    """Size of the storage; None: not known. So are the other sizes."""
    allocation_bytes: int | None = None
    available_bytes: int | None = None
    provisioned_bytes: int | None = None
    """Sum of the volumes' capacities."""
    volume_count: int | None = None
    """None: never looked at."""
    source: PoolSource | None = None
    """None for types without a typed form, and where the definition says what that has no place for: see `xml`."""
    source_has_more: bool = False
    """The agent is of a later release and says more of it than `source` has, which would be lost if written back."""
    target: PoolTarget | None = None
    mount: PoolMount | None = None
    """Of fs and netfs pools."""
    cow: bool | None = None
    """Whether files are copied on write, where the definition says so. None: it does not."""
    vendor: str = ""
    """As the definition has it; empty: not stated. So is the product."""
    product: str = ""
    storage: Storage | None = None
    filesystem_id: str = ""
    """Capacity is added once per filesystem_id and host, or, for a share (as `nfs:…`), per site; empty: not known."""
    pending: PendingDefinition | None = None
    etag: str = ""
    """Covers definition and identity, never usage."""
    xml: str = ""
    """libvirt's XML of the live pool; empty unless asked for by `full`. So is the next."""
    inactive_xml: str = ""
    unaddressable_count: int = 0
    """Files whose names are not UTF-8: the pool is not complete."""
    unaddressable_names: tuple[str, ...] = ()
    """Up to 100 of them, escaped."""
    backing_links: tuple[tuple[str, str], ...] = ()
    """Paths of what its volumes lie on that are symbolic links to something of another name, and where they lead."""
    volumes_as_of: datetime | None = None
    as_of: datetime | None = None
    """When this was looked at, by the host's clock; None in an operation's result."""
    age_s: float | None = None
    """How long before the answer that was."""

    @property
    def active(self) -> bool:
        """Whether it is started."""
        return self.state.active


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsureResult:
    """What `ensure` found or made."""

    pool: Pool
    """The pool as it is now; with match="source" maybe of another name than the spec's."""
    changes: tuple[str, ...]
    """What had to be done, in order: `defined`, `built`, `started`, `autostart`. Empty: all was as asked."""
