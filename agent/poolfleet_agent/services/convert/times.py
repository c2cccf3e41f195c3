"""Times and durations: seconds as floats inside, the well-known types outside."""

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from poolfleet_agent.model.errors import invalid_field

_LONGEST_DURATION_S = 315_576_000_000
"""What protobuf allows: ten thousand years."""


def timestamp(time_s: float) -> Timestamp:
    """A point in time."""
    micros = round(time_s * 1_000_000)
    return Timestamp(seconds=micros // 1_000_000, nanos=micros % 1_000_000 * 1000)


def duration(length_s: float) -> Duration:
    """A length of time; never negative, for ages are not."""
    micros = max(0, round(length_s * 1_000_000))
    return Duration(seconds=micros // 1_000_000, nanos=micros % 1_000_000 * 1000)


def seconds(field: str, value: Duration) -> float:
    """Seconds of a duration that a request states: INVALID_FIELD where it is malformed or negative."""
    if (
        not -_LONGEST_DURATION_S <= value.seconds <= _LONGEST_DURATION_S
        or not -999_999_999 <= value.nanos <= 999_999_999
        or value.seconds * value.nanos < 0
    ):
        raise invalid_field(field, "is not a duration")
    total_s = value.seconds + value.nanos / 1e9
    if total_s < 0:
        raise invalid_field(field, "must not be negative", value=f"{total_s:g}s")
    return total_s
