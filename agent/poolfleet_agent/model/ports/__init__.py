"""What the inside needs of the outside: implemented by the adapters, wired by server/app.py.

Every method raises ModelError and nothing else (beside CancelledError). `server` names the network server that a call
may hang on (PoolDefinition.server); None: a local call. It decides under which cap the call runs.
"""

from poolfleet_agent.model.ports.clock import Clock
from poolfleet_agent.model.ports.encoder import Encoder
from poolfleet_agent.model.ports.files import FileFacts, FileKind, Files, FileSystemFacts, MadeFile, Rights
from poolfleet_agent.model.ports.folders import FolderPage, Folders, SeenFile
from poolfleet_agent.model.ports.hypervisor import (
    BuildMode,
    ConnectionEvent,
    Documents,
    DomainEvent,
    Hypervisor,
    HypervisorEvent,
    HypervisorFacts,
    PoolEvent,
    PoolEventKind,
)
from poolfleet_agent.model.ports.images import Contents, Images, JobListener
from poolfleet_agent.model.ports.maintenance import MaintenanceStore
from poolfleet_agent.model.ports.mount_helpers import MountHelper, MountHelpers
from poolfleet_agent.model.ports.mount_store import MountRecord, MountStore
from poolfleet_agent.model.ports.mount_watch import MountProber, MountWatch, ProbeAnswer
from poolfleet_agent.model.ports.mounts import Account, Export, LayerResult, MountRequest, Mounts, ServerProbe
from poolfleet_agent.model.ports.partitions import Partitions
from poolfleet_agent.model.ports.secrets import Secrets
from poolfleet_agent.model.ports.stores import (
    AgentIdentity,
    AgentStore,
    BelievedTimeStore,
    IntentStore,
    OperationStore,
    PoolIntent,
    RequestRecord,
    SnapshotStore,
    StoredPool,
    StoredSnapshot,
    UndecidedError,
)

__all__ = [
    "Account",
    "AgentIdentity",
    "AgentStore",
    "BelievedTimeStore",
    "BuildMode",
    "Clock",
    "ConnectionEvent",
    "Contents",
    "Documents",
    "DomainEvent",
    "Encoder",
    "Export",
    "FileFacts",
    "FileKind",
    "FileSystemFacts",
    "Files",
    "FolderPage",
    "Folders",
    "Hypervisor",
    "HypervisorEvent",
    "HypervisorFacts",
    "Images",
    "IntentStore",
    "JobListener",
    "LayerResult",
    "MadeFile",
    "MaintenanceStore",
    "MountHelper",
    "MountHelpers",
    "MountProber",
    "MountRecord",
    "MountRequest",
    "MountStore",
    "MountWatch",
    "Mounts",
    "OperationStore",
    "Partitions",
    "PoolEvent",
    "PoolEventKind",
    "PoolIntent",
    "ProbeAnswer",
    "RequestRecord",
    "Rights",
    "Secrets",
    "SeenFile",
    "ServerProbe",
    "SnapshotStore",
    "StoredPool",
    "StoredSnapshot",
    "UndecidedError",
]
