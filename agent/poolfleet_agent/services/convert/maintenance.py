"""Maintenance between API and model."""

from poolfleet.v1 import agent_pb2
from poolfleet_agent.model.errors import invalid_field
from poolfleet_agent.model.maintenance import Maintenance
from poolfleet_agent.services.convert.times import timestamp

_LATEST_S = 253_402_300_799
"""The end of the year 9999, which is as far as a Timestamp goes."""


def maintenance_from(message: agent_pb2.Maintenance) -> Maintenance:
    """Read what is to hold: INVALID_FIELD."""
    until_s = None
    if message.HasField("until"):
        if not 0 <= message.until.seconds <= _LATEST_S or not 0 <= message.until.nanos < 1_000_000_000:
            raise invalid_field("maintenance.until", "is not a time")
        until_s = message.until.seconds + message.until.nanos / 1e9
    return Maintenance(enabled=message.enabled, reason=message.reason, until_s=until_s)


def maintenance_to(maintenance: Maintenance) -> agent_pb2.Maintenance:
    """Write what holds."""
    message = agent_pb2.Maintenance(enabled=maintenance.enabled, reason=maintenance.reason)
    if maintenance.until_s is not None:
        message.until.CopyFrom(timestamp(maintenance.until_s))
    return message
