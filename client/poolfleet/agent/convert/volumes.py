"""Volumes that come in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, Literal, TypeAlias

from poolfleet.agent.convert.pools import permissions
from poolfleet.agent.convert.scalars import moment
from poolfleet.types.deferred import Deferred, Fill
from poolfleet.types.volume import BackingStore, Permissions, UnreadPool, Volume
from poolfleet.v1 import snapshot_pb2, volume_pb2, volume_service_pb2

_Size: TypeAlias = Literal["capacity_bytes", "allocation_bytes", "physical_bytes", "cluster_size_bytes"]


class _Unread(Deferred):
    """A volume that nobody has read yet, in the same memory: whose class lets its fields be set."""

    __slots__ = Volume.__slots__


def volume(message: volume_pb2.Volume, *, as_of: datetime | None = None, age_s: float | None = None) -> Volume:
    """A volume, with the time it was looked at where the answer told one.

    The message is converted when it is read, first what lists show: there may be a million, and few are looked at.
    """
    made: Any = _Unread()
    made._unfilled = _fill_what_lists_show, message
    made.as_of = as_of
    made.age_s = age_s
    made.__class__ = Volume
    unread: Volume = made
    return unread


def _filling(rest: Fill | None, **readers: Callable[[Any], object]) -> Fill:
    """Fills some fields, each by what reads it from the message; a frozen class would take twice as long for it."""
    fields = tuple((getattr(Volume, name).__set__, read) for name, read in readers.items())

    def fill(made: Volume, message: volume_pb2.Volume) -> Fill | None:
        for put, read in fields:
            put(made, read(message))
        return rest

    return fill


def _size(name: _Size) -> Callable[[volume_pb2.Volume], int | None]:
    """Reads a size; None: it is not stated."""
    stated = attrgetter(name)

    def read(message: volume_pb2.Volume) -> int | None:
        return stated(message) or (0 if message.HasField(name) else None)

    return read


def _backing_store(message: volume_pb2.Volume) -> BackingStore | None:
    if not message.HasField("backing_store"):
        return None
    return BackingStore(path=message.backing_store.path, format=message.backing_store.format)


def _permissions(message: volume_pb2.Volume) -> Permissions | None:
    return _same_permissions(message.permissions.SerializeToString()) if message.HasField("permissions") else None


@lru_cache(maxsize=256)
def _same_permissions(encoded: bytes) -> Permissions:
    """One value for all volumes that have the same, which most have."""
    return permissions(snapshot_pb2.Permissions.FromString(encoded))


def unread_pool(message: volume_service_pb2.UnreadPool) -> UnreadPool:
    """A pool that a listing lacks."""
    return UnreadPool(pool=message.pool, reason=message.reason, message=message.message)


_fill_the_rest = _filling(
    None,
    key=attrgetter("key"),
    physical_bytes=_size("physical_bytes"),
    backing_store=_backing_store,
    permissions=_permissions,
    modified_at=lambda message: moment(message.modified_at) if message.HasField("modified_at") else None,
    compat=attrgetter("compat"),
    features=lambda message: tuple(features) if (features := message.features) else (),
    cluster_size_bytes=_size("cluster_size_bytes"),
    encryption=attrgetter("encryption"),
    etag=attrgetter("etag"),
    xml=attrgetter("xml"),
)
_fill_what_lists_show = _filling(
    _fill_the_rest,
    pool=attrgetter("pool"),
    name=attrgetter("name"),
    path=attrgetter("path"),
    type=attrgetter("type"),
    format=attrgetter("format"),
    capacity_bytes=_size("capacity_bytes"),
    allocation_bytes=_size("allocation_bytes"),
    content_id=attrgetter("content_id"),
)
