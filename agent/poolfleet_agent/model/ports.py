"""What the inside needs of the outside: implemented by the adapters, wired by server/app.py.

Every method raises ModelError and nothing else (beside CancelledError). `server` names the network server that a call
may hang on (PoolDefinition.server); None: a local call. It decides under which cap the call runs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from poolfleet_agent.model.desired_state import DesiredState
from poolfleet_agent.model.domain_disk import DomainReading
from poolfleet_agent.model.operation import Operation
from poolfleet_agent.model.pool import Pool, PoolDefinition, PoolFacts
from poolfleet_agent.model.volume import VolumeDefinition, VolumeFacts, VolumeListing


class Clock(Protocol):
    """Wall clock and monotonic clock, both in seconds; tests inject their own."""

    def now_s(self) -> float:
        """Seconds since the epoch."""
        ...

    def monotonic_s(self) -> float:
        """Seconds since some point; never goes back."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HypervisorFacts:
    """What the connection says of itself. Empty strings and tuples: not known."""

    connected: bool
    storage_uri: str
    domain_uris: tuple[str, ...]
    libvirt_version: str = ""
    client_version: str = ""
    host_uuid: str = ""
    pool_types: tuple[str, ...] = ()


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
    """Something happened to a pool, by whomever."""

    kind: PoolEventKind
    pool: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionEvent:
    """The storage connection came or went."""

    connected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainEvent:
    """A domain was defined, undefined, started, stopped, or its devices changed: its disks must be read again."""

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

    def parse_volume(self, xml: str) -> VolumeDefinition:
        """Read a volume document."""
        ...

    def render_volume(self, definition: VolumeDefinition) -> str:
        """Write a volume document."""
        ...


class Hypervisor(Protocol):
    """libvirt. Every call runs in a bounded worker thread; a caller's end never ends the call itself."""

    documents: Documents

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

    async def build_pool(self, pool: str, mode: BuildMode, *, server: str | None) -> None:
        """Build."""
        ...

    async def erase_pool(self, pool: str, *, server: str | None) -> None:
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

    async def create_volume(self, pool: str, xml: str, *, server: str | None) -> VolumeFacts:
        """Create a volume: VOLUME_EXISTS, FULL, …"""
        ...

    async def delete_volume(self, pool: str, volume: str, *, server: str | None) -> None:
        """Delete a volume: VOLUME_NOT_FOUND."""
        ...

    async def read_domains(self) -> DomainReading:
        """Read what the domains refer to, on every domain URI; never raises for a URI that fails: `missing` says it."""
        ...


class FileKind(StrEnum):
    """What a path is."""

    FILE = "FILE"
    DIRECTORY = "DIRECTORY"
    SYMLINK = "SYMLINK"
    BLOCK = "BLOCK"
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """lstat or stat of a path."""

    kind: FileKind
    device: int
    inode: int
    size_bytes: int
    allocated_bytes: int
    mode: int
    uid: int
    gid: int
    modified_at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSystemFacts:
    """statvfs of a path, and an id of the file system that is stable over reboots where there is one."""

    id: str
    capacity_bytes: int
    available_bytes: int
    read_only: bool


class Files(Protocol):
    """Looks at paths, in a child process that may be lost. Missing paths are None; all else raises ModelError."""

    async def stat(self, path: str, *, timeout_s: float = 5.0) -> FileFacts | None:
        """Follow symbolic links."""
        ...

    async def lstat(self, path: str, *, timeout_s: float = 5.0) -> FileFacts | None:
        """Do not follow the last symbolic link."""
        ...

    async def real_path(self, path: str, *, timeout_s: float = 5.0) -> str:
        """Resolve every symbolic link, as far as the path exists."""
        ...

    async def file_system(self, path: str, *, timeout_s: float = 5.0) -> FileSystemFacts | None:
        """The file system that a path lies on."""
        ...

    async def names(self, path: str, *, timeout_s: float = 10.0) -> Sequence[bytes]:
        """Names in a directory, as bytes, unordered; empty where it is missing."""
        ...

    async def head(self, path: str, length_bytes: int, *, timeout_s: float = 5.0) -> bytes | None:
        """The beginning of a regular file."""
        ...

    async def unlink_if(self, path: str, *, inode: int, timeout_s: float = 5.0) -> bool:
        """Remove a file only if it still is that inode; the answer says whether it did."""
        ...


class Encoder(Protocol):
    """Makes the bytes that the inventory holds and operations keep; the inside knows no protobuf."""

    def pool(self, pool: Pool) -> bytes:
        """Encode a pool (VIEW_BASIC)."""
        ...

    def volume(self, volume: VolumeFacts, etag: str) -> bytes:
        """Encode a volume (VIEW_BASIC)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """A request id that was answered with an operation. `digest` is of RPC and body."""

    caller: str
    rpc: str
    request_id: str
    digest: str
    operation_id: str


class OperationStore(Protocol):
    """Keeps operations and request ids; a row is on disk when the call returns."""

    async def save(self, operation: Operation, request: RequestRecord | None = None) -> None:
        """Insert or replace; with `request`, remember its id in the same transaction."""
        ...

    async def load_all(self) -> Sequence[Operation]:
        """All kept operations, oldest first."""
        ...

    async def find_request(self, caller: str, rpc: str, request_id: str) -> RequestRecord | None:
        """Look a request id up."""
        ...

    async def remove_ended_before(self, ended_before_s: float) -> Sequence[str]:
        """Forget what ended earlier, with its request ids; the answer is the ids."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolIntent:
    """What is kept of a pool beside libvirt: by its UUID."""

    pool_uuid: str
    desired: DesiredState
    supervised: bool


class IntentStore(Protocol):
    """Keeps desired states."""

    async def load_all(self) -> Sequence[PoolIntent]:
        """All of them."""
        ...

    async def save(self, intent: PoolIntent) -> None:
        """Insert or replace."""
        ...

    async def remove(self, pool_uuid: str) -> None:
        """Forget."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPool:
    """One pool of a stored snapshot with its volumes."""

    pool: Pool
    volumes: tuple[VolumeFacts, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSnapshot:
    """A whole inventory as it was stored. Volumes are without their XML."""

    epoch: str
    sequence: int
    as_of_s: float
    pools: tuple[StoredPool, ...]


class SnapshotStore(Protocol):
    """Keeps the last snapshot."""

    async def load(self) -> StoredSnapshot | None:
        """The last one, if there is one that can be read."""
        ...

    async def save(self, snapshot: StoredSnapshot) -> None:
        """Replace it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentIdentity:
    """Who this agent is: a random id bound to the machine id, and this boot."""

    agent_id: str
    machine_id: str
    boot_id: str
    host_name: str
    kernel: str
    previous_boot_id: str = ""
    """Boot that the agent last ran in: not `boot_id` at the first start after a reboot, empty at the very first."""


class AgentStore(Protocol):
    """Keeps the agent's own id."""

    async def identity(self) -> AgentIdentity:
        """Load, or make at the first start and when the machine id is another."""
        ...
