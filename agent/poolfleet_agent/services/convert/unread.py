"""Pools whose volumes could not be read, from the inventory to the API."""

from collections.abc import Iterable, Iterator, Mapping

from poolfleet.v1 import volume_service_pb2
from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.errors import ModelError, Reason

_PB = volume_service_pb2


def unread_pools(entries: Iterable[PoolEntry], never_read: Mapping[str, ModelError]) -> Iterator[_PB.UnreadPool]:
    """Those whose volumes are as they were before, or not known yet, then those of which nothing is known."""
    for entry in entries:
        pool = entry.pool
        if pool.unread_reason:
            yield _PB.UnreadPool(pool=pool.name, reason=pool.unread_reason, message=pool.unread_message)
        elif pool.active and pool.volumes_as_of_s is None:
            message = "its volumes have not been read yet"
            yield _PB.UnreadPool(pool=pool.name, reason=Reason.LIBVIRT_UNAVAILABLE, message=message)
    for name, error in never_read.items():
        yield _PB.UnreadPool(pool=name, reason=error.reason, message=error.message)
