"""Volumes as rows, for who needs a million of them: made one by one, and only when somebody goes through them.

A storage that many hosts see is told by each of them, and who has it already reads its digest alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from poolfleet.types.inventory import VolumeRow
from poolfleet.v1 import volume_pb2


class VolumeRows(Collection[VolumeRow]):
    """The volumes of one message, which is kept as long as this is."""

    __slots__ = ("_messages",)

    def __init__(self, messages: Sequence[volume_pb2.Volume]) -> None:
        self._messages = messages

    def __len__(self) -> int:
        """How many there are."""
        return len(self._messages)

    def __iter__(self) -> Iterator[VolumeRow]:
        """Make them."""
        return map(_row, self._messages)

    def __contains__(self, row: object) -> bool:
        """Whether one is equal."""
        return any(row == one for one in self)


def _row(message: volume_pb2.Volume) -> VolumeRow:
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
