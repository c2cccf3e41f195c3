"""AgentService: who and what this agent is."""

import platform
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import grpc

from poolfleet.v1 import agent_pb2, agent_service_pb2, agent_service_pb2_grpc
from poolfleet_agent.control.host import Host
from poolfleet_agent.control.readable import ReadableHost
from poolfleet_agent.inventory.pages import DEFAULT_PAGE_SIZE, LONGEST_PAGE_SIZE, PAGE_BYTES
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.ports import AgentIdentity
from poolfleet_agent.services.caller import current_caller
from poolfleet_agent.services.convert.maintenance import maintenance_from, maintenance_to
from poolfleet_agent.services.convert.times import duration, timestamp
from poolfleet_agent.services.reading import revision_to

Context = grpc.aio.ServicerContext[Any, Any]
_PB = agent_service_pb2
_VERSION = version("poolfleet")


@dataclass(frozen=True, kw_only=True)
class AgentDescription:
    """What does not change while the agent runs."""

    identity: AgentIdentity
    started_at_s: float
    staleness_s: float
    request_id_retention_s: float


class AgentReads(agent_service_pb2_grpc.AgentServiceServicer):
    """Implements what AgentService tells."""

    def __init__(self, host: ReadableHost, description: AgentDescription) -> None:
        """Take what is told of, and what does not change."""
        self._readable = host
        self._description = description

    async def GetAgent(self, request: _PB.GetAgentRequest, context: Context) -> _PB.GetAgentResponse:
        """Tell; never asks libvirt."""
        return _PB.GetAgentResponse(agent=self._agent())

    def _agent(self) -> agent_pb2.Agent:
        description, host = self._description, self._readable
        identity, libvirt, snapshot = description.identity, host.hypervisor.facts(), host.registry.snapshot
        now_s = host.clock.now_s()
        agent = agent_pb2.Agent(
            agent_id=identity.agent_id,
            host_name=identity.host_name,
            host_uuid=libvirt.host_uuid,
            boot_id=identity.boot_id,
            revision=revision_to(snapshot),
            time=timestamp(now_s),
            versions=agent_pb2.AgentVersions(
                agent=_VERSION,
                libvirt=libvirt.libvirt_version,
                libvirt_client=libvirt.client_version,
                python=platform.python_version(),
                kernel=identity.kernel,
            ),
            storage_uri=libvirt.storage_uri,
            domain_uris=libvirt.domain_uris,
            libvirt_connected=libvirt.connected,
            pool_types=libvirt.pool_types,
            limits=agent_pb2.AgentLimits(
                default_page_size=DEFAULT_PAGE_SIZE,
                longest_page_size=LONGEST_PAGE_SIZE,
                page_bytes=PAGE_BYTES,
                request_id_retention=duration(description.request_id_retention_s),
                staleness=duration(description.staleness_s),
            ),
            mode=agent_pb2.Agent.MODE_OBSERVE if host.rules.observe_only else agent_pb2.Agent.MODE_MANAGE,
            maintenance=maintenance_to(host.maintenance.now),
            started_at=timestamp(description.started_at_s),
            registry_loaded=snapshot.loaded,
        )
        if snapshot.loaded:
            agent.as_of.CopyFrom(timestamp(snapshot.as_of_s))
            agent.age.CopyFrom(duration(now_s - snapshot.as_of_s))
        return agent


class AgentServicer(AgentReads):
    """Implements AgentService."""

    def __init__(self, host: Host, description: AgentDescription) -> None:
        """Take the host and what does not change."""
        super().__init__(host, description)
        self._host = host

    async def SetMaintenance(self, request: _PB.SetMaintenanceRequest, context: Context) -> _PB.SetMaintenanceResponse:
        """Begin or end maintenance."""
        if self._host.rules.observe_only:
            raise ModelError(Reason.OBSERVE_ONLY, "this agent observes only; it leaves pools alone anyway")
        await self._host.maintenance.set(maintenance_from(request.maintenance), by=current_caller())
        return _PB.SetMaintenanceResponse(agent=self._agent())
