"""What one agent tells a watcher of its inventory: pools, volumes and domain disks as they change."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from poolfleet.types.disk import DomainDisk
from poolfleet.types.pool import HealthStatus, Pool, PoolState, Storage
from poolfleet.types.snapshot import Revision
from poolfleet.types.volume import UnreadPool, Volume


class ResyncReason(StrEnum):
    """Why the whole state comes again."""

    UNKNOWN = "unknown"
    TOO_OLD = "too_old"
    """The agent does not remember what changed since."""
    OTHER_EPOCH = "other_epoch"
    """The agent was restarted."""
    SLOW_READER = "slow_reader"
    """The watcher read so slowly that the agent does not remember what changed meanwhile."""


class PoolRow(NamedTuple):
    """A pool as a store has it: what of `Pool` is asked for there, and no more is made of what was told."""

    name: str
    type: str
    state: PoolState
    health: HealthStatus | None
    target_path: str | None
    filesystem_id: str
    capacity_bytes: int | None
    allocation_bytes: int | None
    available_bytes: int | None
    provisioned_bytes: int | None
    unaddressable_count: int
    backing_links: tuple[tuple[str, str], ...]
    storage: Storage | None
    volumes_as_of: datetime | None


class VolumeRow(NamedTuple):
    """A volume as a store has it: what `Volume` has, in a form that a million of them can be read in."""

    name: str
    path: str | None
    """None: it is the pool's target, a slash, and the name."""
    type: str
    format: str
    capacity_bytes: int | None
    allocation_bytes: int | None
    physical_bytes: int | None
    backing_path: str | None
    """None: it has no backing store."""
    backing_format: str | None
    modified_at_s: float | None
    """Seconds since 1970, by the clock of the storage."""
    encryption: str
    etag: str


class DiskRow(NamedTuple):
    """What a domain refers to as a store has it: what `DomainDisk` has, but for the domain's UUID."""

    domain: str
    state: str
    role: str
    target: str
    source_kind: str
    path: str
    file_name: str
    """The path's last part."""
    storage_id: str
    pool: str
    volume: str
    read_only: bool
    shared: bool
    format: str
    depth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolChange:
    """What changed in one pool."""

    pool_uuid: str
    name: str = ""
    pool: Pool | None = None
    """The pool itself, where it changed or is new."""
    row: PoolRow | None = None
    """The same from `follow_rows`, which leaves `pool` empty."""
    gone: bool = False
    """With its volumes; nothing but the UUID is told."""
    unchanged: bool = False
    """The volumes are as the watcher knows them."""
    whole: bool = False
    """What the watcher has of the volumes is void: all that there are follow."""
    volumes: tuple[Volume, ...] = ()
    """Those that changed or are new."""
    rows: Collection[VolumeRow] = ()
    """The same from `follow_rows`, which leaves `volumes` empty; made anew each time that they are gone through."""
    gone_volumes: tuple[str, ...] = ()
    """Names of those that are gone."""
    digest: str = ""
    """Stands for all volumes of the pool, also to an agent started anew; empty: none does at the moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainChange:
    """All that one domain refers to on storage now; no disks: the domain is gone, or refers to nothing."""

    domain_uuid: str
    domain: str
    disks: tuple[DomainDisk, ...] = ()
    rows: Collection[DiskRow] = ()
    """The same from `follow_rows`, which leaves `disks` empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookmark:
    """What was told up to here is one consistent state."""

    revision: Revision
    filter_digest: str
    """Stands for what is watched."""
    as_of: datetime | None
    """When all pools were last looked at, by the host's clock."""
    age_s: float | None
    unread_pools: tuple[UnreadPool, ...]
    """Pools whose volumes are as they were seen before, or were never read."""
    domains_as_of: datetime | None
    """When the domains were last read; None: never."""
    domains_missing: tuple[str, ...]
    """Why what is used is not known whole, a sentence each."""

    @property
    def complete(self) -> bool:
        """Whether every pool was read, and all that is used."""
        return not self.unread_pools and self.domains_as_of is not None and not self.domains_missing


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryBatch:
    """What comes at once: a resync, then pools, then domains, then a bookmark."""

    resync: ResyncReason | None = None
    """What is neither told nor named as unchanged up to the next bookmark is gone."""
    pools: tuple[PoolChange, ...] = ()
    domains: tuple[DomainChange, ...] = ()
    bookmark: Bookmark | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumePoint:
    """A state that a watcher has, to go on from."""

    bookmark: Bookmark
    digests: Mapping[str, str] = field(default_factory=dict)
    """Of each pool's volumes as they were last told, by its UUID; those that count no more are left out."""


class Follower(Protocol):
    """Who keeps what is told, and knows where to go on after an interruption."""

    def resume(self) -> ResumePoint | None:
        """Begin a new watch; None: from nothing. What came since the last bookmark is void."""

    def apply(self, batch: InventoryBatch) -> object:
        """Take over what was told."""
