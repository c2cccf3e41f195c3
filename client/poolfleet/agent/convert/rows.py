"""Pools, volumes and disks as rows, for who needs a million of them.

Those of volumes and disks are made only when somebody goes through them.

A storage that many hosts see is told by each of them, and who has it already reads its digest alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, TypeVar

from google.protobuf.message import Message

from poolfleet.agent.convert.hosts import DOMAIN_STATES, ROLES
from poolfleet.agent.convert.pools import HEALTH, STATES, backing_links, storage
from poolfleet.agent.convert.scalars import moment
from poolfleet.types.inventory import DiskRow, PoolRow, VolumeRow
from poolfleet.v1 import domain_disk_pb2, pool_pb2, volume_pb2

MessageT = TypeVar("MessageT", bound=Message)
RowT = TypeVar("RowT")


def pool_row(message: pool_pb2.Pool) -> PoolRow:
    """A pool itself."""
    has = message.HasField
    return PoolRow(
        name=message.name,
        type=message.type,
        state=STATES[message.state],
        health=HEALTH[message.health.status] if has("health") else None,
        target_path=message.target.path if has("target") else None,
        filesystem_id=message.filesystem_id,
        capacity_bytes=message.capacity_bytes if has("capacity_bytes") else None,
        allocation_bytes=message.allocation_bytes if has("allocation_bytes") else None,
        available_bytes=message.available_bytes if has("available_bytes") else None,
        provisioned_bytes=message.provisioned_bytes if has("provisioned_bytes") else None,
        unaddressable_count=message.unaddressable_count,
        backing_links=backing_links(message),
        storage=storage(message.storage) if has("storage") else None,
        volumes_as_of=moment(message.volumes_as_of) if has("volumes_as_of") else None,
    )


def volume_rows(messages: Sequence[volume_pb2.Volume]) -> Collection[VolumeRow]:
    """The volumes of one message, made anew each time that they are gone through."""
    return _Rows(_volume, messages)


def disk_rows(messages: Sequence[domain_disk_pb2.DomainDisk]) -> Collection[DiskRow]:
    """The same of disks."""
    return _Rows(_disk, messages)


def _volume(message: volume_pb2.Volume) -> VolumeRow:
    has = message.HasField
    # A number other than 0 is there, and seldom is one 0: each question that is not asked counts.
    backed = message.backing_store if has("backing_store") else None
    modified = message.modified_at if has("modified_at") else None
    # By the tuple itself, which takes half the time of the class.
    return tuple.__new__(
        VolumeRow,
        (
            message.name,
            message.path or None,
            message.type,
            message.format,
            message.capacity_bytes or (0 if has("capacity_bytes") else None),
            message.allocation_bytes or (0 if has("allocation_bytes") else None),
            message.physical_bytes or (0 if has("physical_bytes") else None),
            backed.path if backed else None,
            backed.format if backed else None,
            modified.seconds + modified.nanos / 1e9 if modified else None,
            message.encryption,
            message.etag,
        ),
    )


def _disk(message: domain_disk_pb2.DomainDisk) -> DiskRow:
    path = message.path
    return tuple.__new__(
        DiskRow,
        (
            message.domain,
            str(DOMAIN_STATES[message.domain_state]),
            str(ROLES[message.role]),
            message.target,
            message.source_kind,
            path,
            path.rpartition("/")[2],
            message.storage_id,
            message.pool,
            message.volume,
            message.read_only,
            message.shared,
            message.format,
            message.depth,
        ),
    )


class _Rows(Collection[RowT]):
    """Rows of messages, which are kept as long as this is."""

    __slots__ = ("_make", "_messages")

    def __init__(self, make: Callable[[MessageT], RowT], messages: Sequence[MessageT]) -> None:
        self._make: Callable[[Any], RowT] = make
        self._messages: Sequence[Message] = messages

    def __len__(self) -> int:
        return len(self._messages)

    def __iter__(self) -> Iterator[RowT]:
        return map(self._make, self._messages)

    def __contains__(self, row: object) -> bool:
        return any(row == one for one in self)
