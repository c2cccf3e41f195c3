"""The client of one agent."""

from __future__ import annotations

from datetime import datetime
from types import TracebackType
from typing import Self

from poolfleet.agent.convert import hosts
from poolfleet.agent.convert.scalars import instant
from poolfleet.agent.inventory import Inventory
from poolfleet.agent.operations import Operations
from poolfleet.agent.pools import Pools
from poolfleet.agent.secrets import Secrets
from poolfleet.agent.volumes import Volumes
from poolfleet.transport import calls
from poolfleet.transport.connection import Connection
from poolfleet.types.agent import Agent
from poolfleet.types.connection import TLS
from poolfleet.v1 import agent_pb2, agent_service_pb2


class AgentClient:
    """One agent, over one channel that is made at the first call.

    Every call takes `timeout_s` and raises a `PoolfleetError`: of the agent's saying, Unavailable (UNREACHABLE) where
    there is no connection, DeadlineExceeded where there is no answer in time.
    """

    def __init__(
        self, target: str, *, tls: TLS | None = None, timeout_s: float = 30.0, name: str | None = None
    ) -> None:
        """Take the agent at `target`: `unix:/path/of.sock` or `host:port`.

        tls: the files of a mutual TLS connection; agents off loopback want it.
        timeout_s: limit of every call that names none.
        name: what errors call the host.
        """
        self._connection = Connection(target, tls=tls, timeout_s=timeout_s, name=name)
        self.pools = Pools(self._connection)
        self.volumes = Volumes(self._connection)
        self.secrets = Secrets(self._connection)
        self.operations = Operations(self._connection)
        self.inventory = Inventory(self._connection)

    @property
    def target(self) -> str:
        """Where the agent listens, as given."""
        return self._connection.target

    @property
    def name(self) -> str | None:
        """What errors call the host."""
        return self._connection.name

    async def get(self, *, timeout_s: float | None = None) -> Agent:
        """Ask who the agent is and how it stands; it answers whether or not libvirt does."""
        request = agent_service_pb2.GetAgentRequest()
        answer = await calls.read(self._connection, self._connection.agents.GetAgent, request, timeout_s)
        return hosts.agent(answer.agent)

    async def set_maintenance(
        self, *, enabled: bool, reason: str = "", until: datetime | None = None, timeout_s: float | None = None
    ) -> Agent:
        """Have the agent leave pools alone until the time is up or it is told otherwise, or let it go on.

        reason: for people. until: a time with its zone, in the future; None: until it is told otherwise.
        """
        wanted = agent_pb2.Maintenance(enabled=enabled, reason=reason)
        if until is not None:
            wanted.until.CopyFrom(instant(until))
        request = agent_service_pb2.SetMaintenanceRequest(maintenance=wanted)
        answer = await calls.read(self._connection, self._connection.agents.SetMaintenance, request, timeout_s)
        return hosts.agent(answer.agent)

    async def close(self) -> None:
        """Close the channel; calls on it end. Closing the closed is OK."""
        await self._connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
