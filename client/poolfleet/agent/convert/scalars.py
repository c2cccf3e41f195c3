"""Times, durations and enums."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from poolfleet.types.later import EnumT, later
from poolfleet.types.snapshot import Revision
from poolfleet.v1 import snapshot_pb2

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(value: Timestamp) -> datetime:
    """A time of the wire, in UTC, to the microsecond."""
    return _EPOCH + timedelta(0, value.seconds, value.nanos // 1000)


def instant(value: datetime) -> Timestamp:
    """A time for the wire; ValueError for one without a zone, whose meaning differs from machine to machine."""
    if value.tzinfo is None:
        raise ValueError("a time needs its zone, such as datetime.now(UTC)")
    since = value - _EPOCH
    return Timestamp(seconds=since.days * 86400 + since.seconds, nanos=since.microseconds * 1000)


def seconds(value: Duration) -> float:
    """A duration of the wire."""
    return value.seconds + value.nanos / 1e9


def revision(value: snapshot_pb2.Revision) -> Revision:
    """A revision of the wire."""
    return Revision(epoch=value.epoch, sequence=value.sequence)


class Numbers(dict[int, EnumT]):
    """From an enum's numbers on the wire to its members.

    A number of a later contract is a member of its own, `unknown-99`.
    """

    def __init__(self, items: Iterable[tuple[str, int]], prefix: str, enum: type[EnumT]) -> None:
        members = {member.value: member for member in enum}
        unknown = enum("unknown")
        super().__init__((number, members.get(name.removeprefix(prefix).lower(), unknown)) for name, number in items)
        self._enum = enum

    def __missing__(self, number: int) -> EnumT:
        return later(self._enum, f"unknown-{number}")
