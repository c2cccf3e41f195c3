"""Retry policies from the API to the model."""

from google.protobuf.duration_pb2 import Duration

from poolfleet.v1 import pool_service_pb2
from poolfleet_agent.model.errors import invalid_field
from poolfleet_agent.model.mount_failure import RetryPolicy
from poolfleet_agent.services.convert.times import seconds

LONGEST_DEADLINE_S = 3600.0


def retry_policy_from(message: pool_service_pb2.RetryPolicy, default: RetryPolicy) -> RetryPolicy:
    """Read a policy; what it does not say is as in the default. INVALID_FIELD."""
    if message.attempts < 0:
        raise invalid_field("retry.attempts", "must not be negative", value=str(message.attempts))
    has = message.HasField
    return RetryPolicy(
        deadline_s=_positive_s("retry.deadline", message.deadline) if has("deadline") else default.deadline_s,
        attempts=message.attempts if has("attempts") else default.attempts,
        first_delay_s=_positive_s("retry.first_delay", message.first_delay)
        if has("first_delay")
        else default.first_delay_s,
        longest_delay_s=_positive_s("retry.longest_delay", message.longest_delay)
        if has("longest_delay")
        else default.longest_delay_s,
    )


def _positive_s(field: str, value: Duration) -> float:
    value_s = seconds(field, value)
    if not 0 < value_s <= LONGEST_DEADLINE_S:
        raise invalid_field(field, "must be more than 0 and at most 1 hour", value=f"{value_s:g}s")
    return value_s
