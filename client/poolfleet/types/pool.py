"""Storage pools: what a caller asks for (PoolSpec) and what an agent knows (Pool)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import datetime
from enum import StrEnum

from poolfleet.types.document import document_name
from poolfleet.types.volume import Permissions


class PoolState(StrEnum):
    """libvirt's state of a pool."""

    UNKNOWN = "unknown"
    INACTIVE = "inactive"
    BUILDING = "building"
    RUNNING = "running"
    DEGRADED = "degraded"
    INACCESSIBLE = "inaccessible"


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


class MountOwner(StrEnum):
    """Who made the mount on a pool's target."""

    UNKNOWN = "unknown"
    AGENT = "agent"
    LIBVIRT = "libvirt"
    FOREIGN = "foreign"


class StorageIdSource(StrEnum):
    """Where a storage's id comes from."""

    UNKNOWN = "unknown"
    CONFIGURED = "configured"
    MARKER = "marker"
    DERIVED = "derived"


@dataclass(frozen=True, slots=True)
class DirSource:
    """A directory of the host: all there is to say stands in the target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetfsSource:
    """An export of a network file server."""

    host: str
    """Name or address; IPv6 in brackets."""
    path: str
    """Absolute path of the export on the server."""
    format: str = "nfs"
    """`nfs`, `cifs` or `glusterfs`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolTarget:
    """Where a pool's volumes are found on the host."""

    path: str
    permissions: Permissions | None = None
    """What `build` gives the directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolMount:
    """How a network pool is mounted."""

    options: tuple[str, ...] = ()
    """Beyond libvirt's own, each one word, such as `timeo=50`; the order is kept."""
    protocol_version: str = ""
    """Such as `4.2`; empty: negotiated."""
    owner: MountOwner = MountOwner.UNKNOWN
    """Read only."""


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """What a pool is asked to be. With `xml` only the document counts: the other fields but `name` stay unread.

    What is left None or empty is not asked for: libvirt's default when the pool is made, not compared when it exists.
    """

    name: str
    _: KW_ONLY
    uuid: str = ""
    source: DirSource | NetfsSource | None = None
    target: PoolTarget | None = None
    mount: PoolMount | None = None
    xml: str = ""
    """libvirt's own document, passed on untouched."""

    @classmethod
    def netfs(
        cls,
        name: str,
        *,
        host: str,
        path: str,
        target: str,
        format: str = "nfs",  # noqa: A002 (libvirt's word)
        options: Sequence[str] = (),
        protocol_version: str = "",
        permissions: Permissions | None = None,
        uuid: str = "",
    ) -> PoolSpec:
        """Describe the export `path` of the server `host`, mounted on the directory `target`."""
        mounted = bool(options or protocol_version)
        return cls(
            name,
            uuid=uuid,
            source=NetfsSource(host=host, path=path, format=format),
            target=PoolTarget(path=target, permissions=permissions),
            mount=PoolMount(options=tuple(options), protocol_version=protocol_version) if mounted else None,
        )

    @classmethod
    def dir(cls, name: str, *, target: str, permissions: Permissions | None = None, uuid: str = "") -> PoolSpec:
        """Describe the directory `target` of the host."""
        return cls(name, uuid=uuid, source=DirSource(), target=PoolTarget(path=target, permissions=permissions))

    @classmethod
    def from_xml(cls, xml: str) -> PoolSpec:
        """Take libvirt's `<pool>` document as it is. Raises InvalidArgument where it is malformed or nameless."""
        return cls(document_name(xml, "pool"), xml=xml)


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
class Storage:
    """What lies behind a pool. A derived id may be another host's alias: the inventory joins them."""

    id: str
    source: StorageIdSource
    aliases: tuple[str, ...] = ()
    """Every other spelling of it that this host knows: the server by name and by each of its addresses."""
    fingerprint: StorageFingerprint | None = None
    """None: the pool is no directory, or was not looked at while its share answered."""


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
    source: DirSource | NetfsSource | None = None
    """None for types without a typed form: see `xml`."""
    target: PoolTarget | None = None
    mount: PoolMount | None = None
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
    volumes_as_of: datetime | None = None
    as_of: datetime | None = None
    """When this was looked at, by the host's clock; None in an operation's result."""
    age_s: float | None = None
    """How long before the answer that was."""

    @property
    def active(self) -> bool:
        """Whether it is started."""
        return self.state in (PoolState.RUNNING, PoolState.DEGRADED, PoolState.INACCESSIBLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsureResult:
    """What `ensure` found or made."""

    pool: Pool
    """The pool as it is now; with match="source" maybe of another name than the spec's."""
    changes: tuple[str, ...]
    """What had to be done, in order: `defined`, `built`, `started`, `autostart`. Empty: all was as asked."""
