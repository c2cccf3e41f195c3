"""libvirt: its connection, events, XML, pools, volumes and domains."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from poolfleet_agent.model.discovery import DiscoveredSource, SourceQuery
from poolfleet_agent.model.domain_disk import DomainReading
from poolfleet_agent.model.pool import PoolDefinition, PoolFacts
from poolfleet_agent.model.ports.secrets import Secrets
from poolfleet_agent.model.secret import SecretReading, SecretRef
from poolfleet_agent.model.share_user import ShareUser
from poolfleet_agent.model.volume import VolumeDefinition, VolumeFacts, VolumeListing


@dataclass(frozen=True, slots=True, kw_only=True)
class HypervisorFacts:
    """What the connection says of itself. Empty strings and tuples, and None: not known.

    `qemu_user` is whom guests run as.
    """

    connected: bool
    storage_uri: str
    domain_uris: tuple[str, ...]
    libvirt_version: str = ""
    client_version: str = ""
    host_uuid: str = ""
    pool_types: tuple[str, ...] = ()
    qemu_user: ShareUser | None = None


class PoolEventKind(StrEnum):
    """libvirt's pool events, and the two of the connection."""

    DEFINED = "DEFINED"
    UNDEFINED = "UNDEFINED"
    STARTED = "STARTED"
    STOPPED = "STOPPED"
    CREATED = "CREATED"
    DELETED = "DELETED"
    REFRESHED = "REFRESHED"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolEvent:
    """Something happened to a pool, by whomever; `uuid`: as another may have its name by now."""

    kind: PoolEventKind
    pool: str
    uuid: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionEvent:
    """The storage connection came or went."""

    connected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainEvent:
    """A domain was defined, undefined, started, stopped, or its devices changed: its disks must be read again.

    An empty name: the connection to some domains came or went.
    """

    domain: str


HypervisorEvent = PoolEvent | ConnectionEvent | DomainEvent


class BuildMode(StrEnum):
    """What a build may do to what is there."""

    NEW = "NEW"
    OVERWRITE = "OVERWRITE"
    NO_OVERWRITE = "NO_OVERWRITE"


class Documents(Protocol):
    """libvirt's XML, both ways. Pure; malformed, oversized or hostile documents raise INVALID_FIELD."""

    def parse_pool(self, xml: str) -> PoolDefinition:
        """Read a pool document."""
        ...

    def render_pool(self, definition: PoolDefinition) -> str:
        """Write a pool document."""
        ...

    def edit_pool(self, xml: str, definition: PoolDefinition) -> str:
        """Write into an existing document what the definition states, and keep all else."""
        ...

    def pool_secrets(self, xml: str) -> Sequence[SecretRef]:
        """Read which secrets a pool document refers to."""
        ...

    def render_source_query(self, query: SourceQuery) -> str:
        """Write where libvirt is to look for sources; empty: on the host itself."""
        ...

    def parse_sources(self, xml: str) -> Sequence[DiscoveredSource]:
        """Read which sources libvirt found."""
        ...

    def parse_volume(self, xml: str) -> VolumeDefinition:
        """Read a volume document."""
        ...

    def render_volume(self, definition: VolumeDefinition) -> str:
        """Write a volume document."""
        ...


class Hypervisor(Protocol):
    """libvirt. Every call runs in a bounded worker thread; a caller's end never ends the call itself.

    `proven` is called in the moment in which libvirt is asked, for which a call may have waited: where it raises,
    libvirt is not asked.
    """

    documents: Documents
    secrets: Secrets

    def facts(self) -> HypervisorFacts:
        """What is known of the connection, at once."""
        ...

    def subscribe(self, listener: Callable[[HypervisorEvent], None]) -> None:
        """Have events told on the event loop, in order. The listener must not block."""
        ...

    async def pool_names(self) -> Sequence[str]:
        """Names of all pools; a connection-wide call, never on a request's path."""
        ...

    async def read_pool(self, pool: str, *, server: str | None) -> PoolFacts:
        """Read one pool: POOL_NOT_FOUND."""
        ...

    async def find_pool_sources(self, pool_type: str, xml: str, *, server: str | None) -> str:
        """Have libvirt look for sources of pools, where `xml` says; the answer is its document, or empty: none."""
        ...

    async def define_pool(self, xml: str) -> str:
        """Store a definition; the answer is its name."""
        ...

    async def create_pool(self, xml: str, *, server: str | None) -> str:
        """Start a transient pool; the answer is its name."""
        ...

    async def undefine_pool(self, pool: str, *, server: str | None) -> None:
        """Forget the stored definition."""
        ...

    async def start_pool(self, pool: str, *, server: str | None) -> None:
        """Start."""
        ...

    async def stop_pool(self, pool: str, *, server: str | None) -> None:
        """Stop (libvirt's destroy)."""
        ...

    def pool_hangs(self, pool: str) -> bool:
        """Whether libvirt hangs in a call about a pool, as it seems: it is long under way, or given up. At once."""
        ...

    async def until_pool_calls_are_back(self, pool: str) -> None:
        """Wait for the calls about a pool that are under way now, those that hang too; the caller sets the limit."""
        ...

    async def build_pool(
        self, pool: str, mode: BuildMode, *, server: str | None, proven: Callable[[], None] | None = None
    ) -> None:
        """Build."""
        ...

    async def erase_pool(self, pool: str, *, server: str | None, proven: Callable[[], None] | None = None) -> None:
        """Destroy what is stored (libvirt's delete)."""
        ...

    async def refresh_pool(self, pool: str, *, server: str | None) -> None:
        """Have libvirt read the volumes anew."""
        ...

    async def set_pool_autostart(self, pool: str, *, autostart: bool, server: str | None) -> None:
        """Set autostart."""
        ...

    async def list_volumes(self, pool: str, *, server: str | None) -> VolumeListing:
        """Read all volumes of a pool: POOL_NOT_FOUND, POOL_NOT_ACTIVE."""
        ...

    async def read_volume(self, pool: str, volume: str, *, server: str | None) -> VolumeFacts:
        """Read one volume, with its XML: VOLUME_NOT_FOUND."""
        ...

    async def create_volume(
        self,
        pool: str,
        xml: str,
        *,
        server: str | None,
        proven: Callable[[], None] | None = None,
        preallocate: bool = False,
    ) -> VolumeFacts:
        """Create a volume: VOLUME_EXISTS, FULL, …

        preallocate: by libvirt's flag; of a qcow2 file its tables, and all bytes unless it allocates fewer.
        """
        ...

    async def clone_volume(
        self,
        pool: str,
        xml: str,
        source: tuple[str, str],
        *,
        server: str | None,
        proven: Callable[[], None] | None = None,
    ) -> VolumeFacts:
        """Create a volume that holds what another one does (pool and name): as create_volume."""
        ...

    async def delete_volume(
        self, pool: str, volume: str, *, server: str | None, proven: Callable[[], None] | None = None
    ) -> None:
        """Delete a volume: VOLUME_NOT_FOUND."""
        ...

    async def resize_volume(
        self,
        pool: str,
        volume: str,
        capacity_bytes: int,
        *,
        allocate: bool,
        server: str | None,
        proven: Callable[[], None] | None = None,
    ) -> None:
        """Change a volume's capacity, whether it shrinks or not; `allocate`: with all its bytes taken at once.

        VOLUME_NOT_FOUND, NO_SPACE, FULL, TOO_LARGE, WRONG_STATE, NOT_SUPPORTED_HERE.
        """
        ...

    async def wipe_volume(
        self, pool: str, volume: str, algorithm: str, *, server: str | None, proven: Callable[[], None] | None = None
    ) -> None:
        """Overwrite what a volume holds, by one of model.wiping.ALGORITHMS: VOLUME_NOT_FOUND, NOT_SUPPORTED_HERE."""
        ...

    async def read_domains(self) -> DomainReading:
        """Read what the domains refer to, on every domain URI; never raises for a URI that fails: `missing` says it."""
        ...

    async def read_domain_secrets(self) -> SecretReading:
        """Read which secrets the domains refer to, as `read_domains` reads the rest."""
        ...
