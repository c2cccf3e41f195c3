"""The client of one agent: its pools, volumes, secrets, operations and domain disks, as coroutines."""

from poolfleet.agent.client import AgentClient

__all__ = ["AgentClient"]
