"""A storage pool: its definition, what libvirt says of it, and what the inventory knows of it."""

from dataclasses import dataclass, field
from enum import StrEnum

from poolfleet_agent.model.desired_state import DesiredState
from poolfleet_agent.model.pool_source import (
    GlusterSource,
    IscsiDirectSource,
    IscsiSource,
    NetfsSource,
    PoolSource,
    RbdSource,
)

NETWORK_POOL_TYPES = frozenset({"netfs", "gluster", "rbd", "iscsi", "iscsi-direct", "sheepdog", "vstorage"})
"""Pool types whose calls may hang on a server."""

DIRECTORY_POOL_TYPES = frozenset({"dir", "fs", "netfs"})
"""Pool types whose volumes are the files of a directory."""

MOUNTED_POOL_TYPES = frozenset({"fs", "netfs"})
"""Pool types that are mounted, with options."""

OWN_TARGET_POOL_TYPES = frozenset({"logical", "zfs"})
"""Pool types whose target follows from their source, whatever a definition states."""

TARGETLESS_POOL_TYPES = frozenset({"rbd", "gluster", "iscsi-direct", "sheepdog"})
"""Pool types that nothing of the host's file system belongs to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """libvirt's `<permissions>`. None: not stated."""

    mode: int | None = None
    owner: int | None = None
    group: int | None = None
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolDefinition:
    """What a definition states. None: not stated.

    `source` is None for types that have no typed form, and where a document says what that has no place for.
    """

    name: str
    type: str
    uuid: str | None = None
    source: PoolSource | None = None
    target_path: str | None = None
    target_permissions: Permissions | None = None
    mount_options: tuple[str, ...] | None = None
    protocol_version: str | None = None
    cow: bool | None = None
    """Whether files are copied on write, where the file system can (`<features><cow>`)."""
    vendor: str | None = None
    product: str | None = None

    @property
    def server(self) -> str | None:
        """The server that calls for this pool may hang on; None: a local pool."""
        match self.source:
            case NetfsSource(host=name):
                return name
            case IscsiSource(host=host) | IscsiDirectSource(host=host):
                return host.name
            case RbdSource(hosts=(host, *_)) | GlusterSource(hosts=(host, *_)):
                return host.name
        return f"{self.type}:" if self.type in NETWORK_POOL_TYPES else None


class MountOwner(StrEnum):
    """Who made the mount on a pool's target."""

    AGENT = "AGENT"
    LIBVIRT = "LIBVIRT"
    FOREIGN = "FOREIGN"
    """It was there before: an administrator's, fstab's, autofs' or a unit's."""


class PoolState(StrEnum):
    """libvirt's states of a pool."""

    INACTIVE = "INACTIVE"
    BUILDING = "BUILDING"
    RUNNING = "RUNNING"
    DEGRADED = "DEGRADED"
    INACCESSIBLE = "INACCESSIBLE"


ACTIVE_STATES = frozenset({PoolState.RUNNING, PoolState.DEGRADED, PoolState.INACCESSIBLE})


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolFacts:
    """What libvirt says of one pool, read in one go. Sizes are None where the pool is inactive."""

    definition: PoolDefinition
    stored_definition: PoolDefinition | None
    uuid: str
    state: PoolState
    autostart: bool
    persistent: bool
    capacity_bytes: int | None
    allocation_bytes: int | None
    available_bytes: int | None
    xml: str
    inactive_xml: str

    @property
    def name(self) -> str:
        """libvirt's name."""
        return self.definition.name

    @property
    def active(self) -> bool:
        """Whether the pool is started."""
        return self.state in ACTIVE_STATES


class HealthStatus(StrEnum):
    """States of health of an active pool."""

    HEALTHY = "HEALTHY"
    SUSPECT = "SUSPECT"
    UNRESPONSIVE = "UNRESPONSIVE"
    FAULTY = "FAULTY"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolHealth:
    """Whether an active pool can be used; times are seconds since the epoch."""

    status: HealthStatus
    reason: str = ""
    message: str = ""
    since_s: float
    probed_at_s: float


class StorageIdSource(StrEnum):
    """Where a storage id comes from."""

    CONFIGURED = "CONFIGURED"
    MARKER = "MARKER"
    DERIVED = "DERIVED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What tells one storage from another, whatever its name: inode numbers, which its server gives.

    `files`: name (bytes that are not UTF-8 escaped) and inode of those with the lowest inodes, the lowest first.
    `too_many`: the directory has too many names to look at all; then there are none.
    """

    root_inode: int
    files: tuple[tuple[str, int], ...] = ()
    too_many: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """The agents that have left a sign of life in an adopted storage, in order.

    `since_s`: when it was adopted, or the last sign came or went after that.
    """

    since_s: float
    agent_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """The storage behind a pool: what pools of several hosts may share. `aliases` are without the id itself.

    `signs` are None where it was not adopted, or they could not be read.
    """

    id: str
    source: StorageIdSource
    aliases: tuple[str, ...] = ()
    fingerprint: Fingerprint | None = None
    signs: Signs | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """One pool as the inventory knows it. Immutable; a new look makes a new one."""

    facts: PoolFacts
    etag: str
    desired: DesiredState | None = None
    supervised: bool = True
    health: PoolHealth | None = None
    storage: Storage | None = None
    filesystem_id: str = ""
    pending_fields: tuple[str, ...] = ()
    provisioned_bytes: int | None = None
    volume_count: int | None = None
    unaddressable_count: int = 0
    unaddressable_names: tuple[str, ...] = ()
    backing_links: tuple[tuple[str, str], ...] = ()
    """Paths of what its volumes lie on that lead to something of another name, and where (inventory/backing_links)."""
    volumes_as_of_s: float | None = None
    unread_reason: str = ""
    unread_message: str = ""
    as_of_s: float = field(default=0.0)
    mount_server: str | None = None
    """The server that it depends on, whatever its type and its own spelling (inventory/servers)."""
    mount_owner: MountOwner | None = None
    """Who mounted what is on the target of a netfs pool; None: nothing is, or it is not known."""

    @property
    def name(self) -> str:
        """libvirt's name."""
        return self.facts.definition.name

    @property
    def active(self) -> bool:
        """Whether the pool is started."""
        return self.facts.active

    @property
    def server(self) -> str | None:
        """The server that calls for this pool may hang on; None: a local pool."""
        return self.mount_server or self.definition.server

    @property
    def quarantined(self) -> bool:
        """Whether its share did not answer when this was written: then all of it is as it was seen before."""
        return self.health is not None and self.health.status in {HealthStatus.SUSPECT, HealthStatus.UNRESPONSIVE}

    @property
    def definition(self) -> PoolDefinition:
        """The live definition."""
        return self.facts.definition

    @property
    def stored(self) -> PoolDefinition:
        """The stored definition, or the live one of a transient pool."""
        return self.facts.stored_definition or self.facts.definition
