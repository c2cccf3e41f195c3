"""What reads have in common: revision and age of an answer, and how fresh a caller wants it."""

from typing import Protocol

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from poolfleet.v1 import snapshot_pb2
from poolfleet_agent.inventory.snapshot import Snapshot
from poolfleet_agent.services.convert.times import seconds, write_duration, write_timestamp


class Dated(Protocol):
    """The answer to a read."""

    @property
    def revision(self) -> snapshot_pb2.Revision:
        """Of the snapshot."""
        ...

    @property
    def as_of(self) -> Timestamp:
        """When it was looked at."""
        ...

    @property
    def age(self) -> Duration:
        """How long ago that is."""
        ...


def date(answer: Dated, snapshot: Snapshot, *, as_of_s: float, now_s: float) -> None:
    """Write into an answer its revision, when it was looked at, and how long ago that is."""
    answer.revision.epoch = snapshot.revision.epoch
    answer.revision.sequence = snapshot.revision.sequence
    write_timestamp(answer.as_of, as_of_s)
    write_duration(answer.age, now_s - as_of_s)


def revision_to(snapshot: Snapshot) -> snapshot_pb2.Revision:
    """The revision of a snapshot."""
    return snapshot_pb2.Revision(epoch=snapshot.revision.epoch, sequence=snapshot.revision.sequence)


def wanted_staleness_s(message: Duration, *, present: bool) -> float | None:
    """How old an answer may be; None: as old as it is."""
    return seconds("max_staleness", message) if present else None


def too_old(as_of_s: float | None, now_s: float, max_staleness_s: float | None) -> bool:
    """Whether what is known must be looked at again."""
    if max_staleness_s is None:
        return False
    return as_of_s is None or max_staleness_s == 0 or now_s - as_of_s > max_staleness_s
