"""Pools that come in."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from operator import attrgetter

from poolfleet.agent.convert.pool_sources import source_has_more, source_of
from poolfleet.agent.convert.scalars import Numbers, moment
from poolfleet.types.pool import (
    Desired,
    DesiredState,
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
from poolfleet.types.pool_spec import MountOwner, PoolMount, PoolSpec, PoolTarget
from poolfleet.types.volume import Permissions
from poolfleet.v1 import pool_pb2, snapshot_pb2

STATES = Numbers(pool_pb2.PoolState.items(), "POOL_STATE_", PoolState)
HEALTH = Numbers(pool_pb2.PoolHealth.Status.items(), "STATUS_", HealthStatus)
_DESIRED = Numbers(pool_pb2.DesiredState.Desired.items(), "DESIRED_", Desired)
_OWNERS = Numbers(pool_pb2.PoolMount.Owner.items(), "OWNER_", MountOwner)
_FILE = attrgetter("name", "inode")
_ID_SOURCES = Numbers(snapshot_pb2.Storage.Source.items(), "SOURCE_", StorageIdSource)


def pool(message: pool_pb2.Pool, *, as_of: datetime | None = None, age_s: float | None = None) -> Pool:
    """A pool, with the time it was looked at where the answer told one."""
    has = message.HasField
    return Pool(
        name=message.name,
        uuid=message.uuid,
        type=message.type,
        state=STATES[message.state],
        desired_state=_desired_state(message.desired_state) if has("desired_state") else None,
        supervised=message.supervised,
        health=_health(message.health) if has("health") else None,
        autostart=message.autostart,
        persistent=message.persistent,
        capacity_bytes=message.capacity_bytes if has("capacity_bytes") else None,
        allocation_bytes=message.allocation_bytes if has("allocation_bytes") else None,
        available_bytes=message.available_bytes if has("available_bytes") else None,
        provisioned_bytes=message.provisioned_bytes if has("provisioned_bytes") else None,
        volume_count=message.volume_count if has("volume_count") else None,
        source=source_of(message),
        source_has_more=source_has_more(message),
        target=_target(message.target) if has("target") else None,
        mount=_mount(message.mount) if has("mount") else None,
        cow=_cow(message),
        vendor=message.vendor,
        product=message.product,
        storage=storage(message.storage) if has("storage") else None,
        filesystem_id=message.filesystem_id,
        pending=_pending(message.pending) if has("pending") else None,
        etag=message.etag,
        xml=message.xml,
        inactive_xml=message.inactive_xml,
        unaddressable_count=message.unaddressable_count,
        unaddressable_names=tuple(message.unaddressable_names),
        backing_links=backing_links(message),
        volumes_as_of=moment(message.volumes_as_of) if has("volumes_as_of") else None,
        as_of=as_of,
        age_s=age_s,
    )


def backing_links(message: pool_pb2.Pool) -> tuple[tuple[str, str], ...]:
    """Where paths of what its volumes lie on lead, that are links."""
    return tuple((link.path, link.leads_to) for link in message.backing_links)


def permissions(message: snapshot_pb2.Permissions) -> Permissions:
    """Owner, group, mode and label."""
    has = message.HasField
    return Permissions(
        mode=message.mode if has("mode") else None,
        owner=message.owner if has("owner") else None,
        group=message.group if has("group") else None,
        label=message.label,
    )


def _target(message: pool_pb2.PoolTarget) -> PoolTarget:
    given = permissions(message.permissions) if message.HasField("permissions") else None
    return PoolTarget(path=message.path, permissions=given)


def _mount(message: pool_pb2.PoolMount) -> PoolMount:
    owner = _OWNERS[message.owner]
    return PoolMount(options=tuple(message.options), protocol_version=message.protocol_version, owner=owner)


def _cow(message: pool_pb2.Pool | pool_pb2.PoolSpec) -> bool | None:
    return message.features.cow if message.features.HasField("cow") else None


def storage(message: snapshot_pb2.Storage) -> Storage:
    """What lies behind a pool."""
    source = _ID_SOURCES[message.source]
    fingerprint = _fingerprint(message.fingerprint) if message.HasField("fingerprint") else None
    signs = _signs(message.signs) if message.HasField("signs") else None
    return Storage(id=message.id, source=source, aliases=tuple(message.aliases), fingerprint=fingerprint, signs=signs)


def _signs(message: snapshot_pb2.StorageSigns) -> StorageSigns:
    since = moment(message.since) if message.HasField("since") else None
    return _shared_signs(since, tuple(message.agent_ids))


@lru_cache(maxsize=256)
def _shared_signs(since: datetime | None, agent_ids: tuple[str, ...]) -> StorageSigns:
    """One object for what all hosts of a storage tell: there are as many names in it as hosts that tell them."""
    return StorageSigns(since=since, agent_ids=agent_ids)


def _fingerprint(message: snapshot_pb2.StorageFingerprint) -> StorageFingerprint:
    files = tuple(map(_FILE, message.files))
    return _shared_fingerprint(message.root_inode, files, message.too_many_names)


@lru_cache(maxsize=1024)
def _shared_fingerprint(
    root_inode: int, files: tuple[tuple[str, int], ...], too_many_names: bool
) -> StorageFingerprint:
    """One object for all hosts that see a storage."""
    return StorageFingerprint(root_inode=root_inode, files=files, too_many_names=too_many_names)


def _desired_state(message: pool_pb2.DesiredState) -> DesiredState:
    return DesiredState(
        desired=_DESIRED[message.desired],
        since=moment(message.since) if message.HasField("since") else None,
        why=message.why,
    )


def _health(message: pool_pb2.PoolHealth) -> PoolHealth:
    return PoolHealth(
        status=HEALTH[message.status],
        reason=message.reason,
        message=message.message,
        since=moment(message.since) if message.HasField("since") else None,
        probed_at=moment(message.probed_at) if message.HasField("probed_at") else None,
    )


def _pending(message: pool_pb2.PendingDefinition) -> PendingDefinition:
    return PendingDefinition(
        fields=tuple(message.fields), spec=_spec(message.spec) if message.HasField("spec") else None
    )


def _spec(message: pool_pb2.PoolSpec) -> PoolSpec:
    return PoolSpec(
        message.name,
        uuid=message.uuid,
        source=source_of(message),
        target=_target(message.target) if message.HasField("target") else None,
        mount=_mount(message.mount) if message.HasField("mount") else None,
        cow=_cow(message),
        vendor=message.vendor,
        product=message.product,
    )
