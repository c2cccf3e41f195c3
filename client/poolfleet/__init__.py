"""The client of poolfleet agents: one host by `AgentClient`, many by `Fleet`. `poolfleet.aio` has both as coroutines.

Names are loaded when they are first used: whoever wants only the messages, `poolfleet.v1`, loads nothing else.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from poolfleet.agent.watched import WatchedInventory
    from poolfleet.blocking import AgentClient, Fleet, FleetStorage
    from poolfleet.fleet.fleet_file import FleetFileError
    from poolfleet.fleet.hosts import Host, NoSuchHost
    from poolfleet.fleet.result import FleetError, FleetResult, Outcome, Status, VolumesResult
    from poolfleet.inventory.check.model import CheckedStorage, Finding, FindingKind, StorageCheck
    from poolfleet.inventory.model import Inventory
    from poolfleet.inventory.store.addresses import open_store
    from poolfleet.inventory.store.port import InventoryStore, StoreError
    from poolfleet.inventory.sync import Synced
    from poolfleet.types.agent import Agent, AgentLimits, AgentMode, AgentVersions, Maintenance
    from poolfleet.types.connection import TLS
    from poolfleet.types.discovery import DiscoveredBy, DiscoveredSource, PoolSources
    from poolfleet.types.disk import DiskRole, DomainDisk, DomainDisks, DomainState
    from poolfleet.types.errors import (
        Aborted,
        AlreadyExists,
        Cancelled,
        DeadlineExceeded,
        FailedPrecondition,
        InternalError,
        InvalidArgument,
        NotFound,
        PermissionDenied,
        PoolfleetError,
        ResourceExhausted,
        StillRunning,
        Unavailable,
        Unsupported,
        Violation,
    )
    from poolfleet.types.inventory import (
        Bookmark,
        DomainChange,
        InventoryBatch,
        PoolChange,
        ResumePoint,
        ResyncReason,
    )
    from poolfleet.types.operation import Attempt, Operation, OperationKind, OperationState, Progress
    from poolfleet.types.pool import (
        Desired,
        DesiredState,
        EnsureResult,
        HealthStatus,
        PendingDefinition,
        Pool,
        PoolHealth,
        PoolState,
        Storage,
        StorageFingerprint,
        StorageIdSource,
        StorageSigns,
    )
    from poolfleet.types.pool_source import (
        DirSource,
        DiskSource,
        FcHostAdapter,
        FsSource,
        GlusterSource,
        IscsiDirectSource,
        IscsiSource,
        LogicalSource,
        MpathSource,
        NetfsSource,
        RbdSource,
        ScsiHostAdapter,
        ScsiSource,
        SourceAuth,
        SourceHost,
        VstorageSource,
        ZfsSource,
    )
    from poolfleet.types.pool_spec import MountOwner, PoolMount, PoolSpec, PoolTarget
    from poolfleet.types.probe import LayerOutcome, PoolProbe, ProbeLayer, ShareUsers
    from poolfleet.types.retry import RetryPolicy
    from poolfleet.types.secret import Secret, SecretRef, SecretSpec, SecretWithValue
    from poolfleet.types.snapshot import Revision
    from poolfleet.types.volume import (
        BackingStore,
        CloneSpec,
        Permissions,
        UnreadPool,
        Volume,
        VolumeEncryption,
        VolumeListing,
        VolumeSpec,
    )

# Where the names live that are no types.
_ELSEWHERE = {
    "AgentClient": "poolfleet.blocking.agent",
    "Fleet": "poolfleet.blocking.fleet",
    "CheckedStorage": "poolfleet.inventory.check.model",
    "Finding": "poolfleet.inventory.check.model",
    "FindingKind": "poolfleet.inventory.check.model",
    "FleetError": "poolfleet.fleet.result",
    "FleetFileError": "poolfleet.fleet.fleet_file",
    "FleetResult": "poolfleet.fleet.result",
    "FleetStorage": "poolfleet.blocking.fleet",
    "Host": "poolfleet.fleet.hosts",
    "Inventory": "poolfleet.inventory.model",
    "NoSuchHost": "poolfleet.fleet.hosts",
    "Outcome": "poolfleet.fleet.result",
    "Status": "poolfleet.fleet.result",
    "VolumesResult": "poolfleet.fleet.result",
    "WatchedInventory": "poolfleet.agent.watched",
    "InventoryStore": "poolfleet.inventory.store.port",
    "StorageCheck": "poolfleet.inventory.check.model",
    "StoreError": "poolfleet.inventory.store.port",
    "Synced": "poolfleet.inventory.sync",
    "open_store": "poolfleet.inventory.store.addresses",
}

__all__ = [
    "TLS",
    "Aborted",
    "Agent",
    "AgentClient",
    "AgentLimits",
    "AgentMode",
    "AgentVersions",
    "AlreadyExists",
    "Attempt",
    "BackingStore",
    "Bookmark",
    "Cancelled",
    "CheckedStorage",
    "CloneSpec",
    "DeadlineExceeded",
    "Desired",
    "DesiredState",
    "DirSource",
    "DiscoveredBy",
    "DiscoveredSource",
    "DiskRole",
    "DiskSource",
    "DomainChange",
    "DomainDisk",
    "DomainDisks",
    "DomainState",
    "EnsureResult",
    "FailedPrecondition",
    "FcHostAdapter",
    "Finding",
    "FindingKind",
    "Fleet",
    "FleetError",
    "FleetFileError",
    "FleetResult",
    "FleetStorage",
    "FsSource",
    "GlusterSource",
    "HealthStatus",
    "Host",
    "InternalError",
    "InvalidArgument",
    "Inventory",
    "InventoryBatch",
    "InventoryStore",
    "IscsiDirectSource",
    "IscsiSource",
    "LayerOutcome",
    "LogicalSource",
    "Maintenance",
    "MountOwner",
    "MpathSource",
    "NetfsSource",
    "NoSuchHost",
    "NotFound",
    "Operation",
    "OperationKind",
    "OperationState",
    "Outcome",
    "PendingDefinition",
    "PermissionDenied",
    "Permissions",
    "Pool",
    "PoolChange",
    "PoolHealth",
    "PoolMount",
    "PoolProbe",
    "PoolSources",
    "PoolSpec",
    "PoolState",
    "PoolTarget",
    "PoolfleetError",
    "ProbeLayer",
    "Progress",
    "RbdSource",
    "ResourceExhausted",
    "ResumePoint",
    "ResyncReason",
    "RetryPolicy",
    "Revision",
    "ScsiHostAdapter",
    "ScsiSource",
    "Secret",
    "SecretRef",
    "SecretSpec",
    "SecretWithValue",
    "ShareUsers",
    "SourceAuth",
    "SourceHost",
    "Status",
    "StillRunning",
    "Storage",
    "StorageCheck",
    "StorageFingerprint",
    "StorageIdSource",
    "StorageSigns",
    "StoreError",
    "Synced",
    "Unavailable",
    "UnreadPool",
    "Unsupported",
    "Violation",
    "Volume",
    "VolumeEncryption",
    "VolumeListing",
    "VolumeSpec",
    "VolumesResult",
    "VstorageSource",
    "WatchedInventory",
    "ZfsSource",
    "open_store",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_ELSEWHERE.get(name, "poolfleet.types")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
