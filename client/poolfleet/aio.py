"""The asynchronous face: `AgentClient` and `Fleet` as coroutines. Types and errors are those of `poolfleet`."""

from poolfleet.agent.client import AgentClient
from poolfleet.fleet.fleet import Fleet

__all__ = ["AgentClient", "Fleet"]
