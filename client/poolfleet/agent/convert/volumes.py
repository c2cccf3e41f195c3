"""Volumes that come in."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any, Literal, TypeAlias

from poolfleet.agent.convert.pools import permissions
from poolfleet.agent.convert.scalars import moment
from poolfleet.types.deferred import Deferred
from poolfleet.types.volume import BackingStore, Permissions, UnreadPool, Volume
from poolfleet.v1 import snapshot_pb2, volume_pb2, volume_service_pb2

_Size: TypeAlias = Literal["capacity_bytes", "allocation_bytes", "physical_bytes", "cluster_size_bytes"]


class _Filling(Deferred):
    """A volume that is still being filled, in the same memory: to make one by its frozen class takes twice as long, and
    there may be a million.
    """

    __slots__ = Volume.__slots__


def volume(message: volume_pb2.Volume, *, as_of: datetime | None = None, age_s: float | None = None) -> Volume:
    """A volume, with the time it was looked at where the answer told one.

    What lists show of each is filled at once, the rest when it is asked for.
    """
    filled: Any = _Filling()
    filled.pool = message.pool
    filled.name = message.name
    filled.path = message.path
    filled.type = message.type
    filled.format = message.format
    filled.capacity_bytes = message.capacity_bytes or _zero(message, "capacity_bytes")
    filled.allocation_bytes = message.allocation_bytes or _zero(message, "allocation_bytes")
    filled.as_of = as_of
    filled.age_s = age_s
    filled._fill = _fill_rest
    filled._source = message
    filled.__class__ = Volume
    made: Volume = filled
    return made


def _fill_rest(made: Volume, message: volume_pb2.Volume) -> None:
    has, fill = message.HasField, object.__setattr__
    fill(made, "key", message.key)
    fill(made, "physical_bytes", message.physical_bytes or _zero(message, "physical_bytes"))
    fill(made, "backing_store", _backing_store(message.backing_store) if has("backing_store") else None)
    fill(made, "permissions", _permissions(message.permissions.SerializeToString()) if has("permissions") else None)
    fill(made, "modified_at", moment(message.modified_at) if has("modified_at") else None)
    fill(made, "compat", message.compat)
    fill(made, "features", tuple(features) if (features := message.features) else ())
    fill(made, "cluster_size_bytes", message.cluster_size_bytes or _zero(message, "cluster_size_bytes"))
    fill(made, "encryption", message.encryption)
    fill(made, "etag", message.etag)
    fill(made, "xml", message.xml)


def _zero(message: volume_pb2.Volume, size: _Size) -> int | None:
    """A size that is not another: stated to be 0, or unknown."""
    return 0 if message.HasField(size) else None


@lru_cache(maxsize=256)
def _permissions(encoded: bytes) -> Permissions:
    """One value for all volumes that have the same, which most have."""
    return permissions(snapshot_pb2.Permissions.FromString(encoded))


def unread_pool(message: volume_service_pb2.UnreadPool) -> UnreadPool:
    """A pool that a listing lacks."""
    return UnreadPool(pool=message.pool, reason=message.reason, message=message.message)


def _backing_store(message: volume_pb2.BackingStore) -> BackingStore:
    return BackingStore(path=message.path, format=message.format)
