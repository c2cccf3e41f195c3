"""Times and durations: seconds as floats inside, the well-known types outside."""

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from poolfleet_agent.model.errors import invalid_field

_LONGEST_DURATION_S = 315_576_000_000
"""What protobuf allows: ten thousand years."""


def timestamp(time_s: float) -> Timestamp:
    """A point in time."""
    message = Timestamp()
    write_timestamp(message, time_s)
    return message


def duration(length_s: float) -> Duration:
    """A length of time; never negative, for ages are not."""
    message = Duration()
    write_duration(message, length_s)
    return message


def write_timestamp(message: Timestamp, time_s: float) -> None:
    """Write a point in time where it belongs: making a message and copying it there takes three times as long."""
    micros = round(time_s * 1_000_000)
    message.seconds, message.nanos = micros // 1_000_000, micros % 1_000_000 * 1000


def write_duration(message: Duration, length_s: float) -> None:
    """Write a length of time where it belongs; never negative, for ages are not."""
    micros = max(0, round(length_s * 1_000_000))
    message.seconds, message.nanos = micros // 1_000_000, micros % 1_000_000 * 1000


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
