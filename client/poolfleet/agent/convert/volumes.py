"""Volumes that come in."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any

from poolfleet.agent.convert.pools import permissions
from poolfleet.agent.convert.scalars import moment
from poolfleet.types.volume import BackingStore, Permissions, UnreadPool, Volume
from poolfleet.v1 import snapshot_pb2, volume_pb2, volume_service_pb2


class _Filling:
    """A volume that is still being filled, in the same memory: to make one by its frozen class takes twice as long, and
    there may be a million.
    """

    __slots__ = Volume.__slots__


def volume(message: volume_pb2.Volume, *, as_of: datetime | None = None, age_s: float | None = None) -> Volume:
    """A volume, with the time it was looked at where the answer told one."""
    has = message.HasField
    filled: Any = _Filling()
    filled.pool = message.pool
    filled.name = message.name
    filled.key = message.key
    filled.path = message.path
    filled.type = message.type
    filled.format = message.format
    filled.capacity_bytes = message.capacity_bytes or _zero(has("capacity_bytes"))
    filled.allocation_bytes = message.allocation_bytes or _zero(has("allocation_bytes"))
    filled.physical_bytes = message.physical_bytes or _zero(has("physical_bytes"))
    filled.backing_store = _backing_store(message.backing_store) if has("backing_store") else None
    filled.permissions = _permissions(message.permissions.SerializeToString()) if has("permissions") else None
    filled.modified_at = moment(message.modified_at) if has("modified_at") else None
    filled.compat = message.compat
    filled.features = tuple(features) if (features := message.features) else ()
    filled.cluster_size_bytes = message.cluster_size_bytes or _zero(has("cluster_size_bytes"))
    filled.encryption = message.encryption
    filled.etag = message.etag
    filled.xml = message.xml
    filled.as_of = as_of
    filled.age_s = age_s
    filled.__class__ = Volume
    made: Volume = filled
    return made


def _zero(stated: bool) -> int | None:
    """A size that is not another: stated to be 0, or unknown."""
    return 0 if stated else None


@lru_cache(maxsize=256)
def _permissions(encoded: bytes) -> Permissions:
    """One value for all volumes that have the same, which most have."""
    return permissions(snapshot_pb2.Permissions.FromString(encoded))


def unread_pool(message: volume_service_pb2.UnreadPool) -> UnreadPool:
    """A pool that a listing lacks."""
    return UnreadPool(pool=message.pool, reason=message.reason, message=message.message)


def _backing_store(message: volume_pb2.BackingStore) -> BackingStore:
    return BackingStore(path=message.path, format=message.format)
