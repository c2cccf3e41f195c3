"""The blocking face: the surface of `poolfleet.aio` on one background loop."""

from poolfleet.blocking.agent import AgentClient
from poolfleet.blocking.fleet import Fleet, FleetStorage

__all__ = ["AgentClient", "Fleet", "FleetStorage"]
