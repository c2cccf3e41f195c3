"""Volumes that come in."""

from __future__ import annotations

from datetime import datetime

from poolfleet.agent.convert.pools import permissions
from poolfleet.agent.convert.scalars import moment
from poolfleet.types.volume import BackingStore, UnreadPool, Volume
from poolfleet.v1 import volume_pb2, volume_service_pb2


def volume(message: volume_pb2.Volume, *, as_of: datetime | None = None, age_s: float | None = None) -> Volume:
    """A volume, with the time it was looked at where the answer told one."""
    has = message.HasField
    return Volume(
        pool=message.pool,
        name=message.name,
        key=message.key,
        path=message.path,
        type=message.type,
        format=message.format,
        capacity_bytes=message.capacity_bytes if has("capacity_bytes") else None,
        allocation_bytes=message.allocation_bytes if has("allocation_bytes") else None,
        physical_bytes=message.physical_bytes if has("physical_bytes") else None,
        backing_store=_backing_store(message.backing_store) if has("backing_store") else None,
        permissions=permissions(message.permissions) if has("permissions") else None,
        modified_at=moment(message.modified_at) if has("modified_at") else None,
        compat=message.compat,
        features=tuple(message.features),
        cluster_size_bytes=message.cluster_size_bytes if has("cluster_size_bytes") else None,
        encryption=message.encryption,
        etag=message.etag,
        xml=message.xml,
        as_of=as_of,
        age_s=age_s,
    )


def unread_pool(message: volume_service_pb2.UnreadPool) -> UnreadPool:
    """A pool that a listing lacks."""
    return UnreadPool(pool=message.pool, reason=message.reason, message=message.message)


def _backing_store(message: volume_pb2.BackingStore) -> BackingStore:
    return BackingStore(path=message.path, format=message.format)
