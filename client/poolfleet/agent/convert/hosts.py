"""What comes in about a host: its agent, and the disks of its domains."""

from __future__ import annotations

from poolfleet.agent.convert.scalars import Numbers, moment, revision, seconds
from poolfleet.types.agent import Agent, AgentLimits, AgentMode, AgentVersions, Maintenance
from poolfleet.types.disk import DiskRole, DomainDisk, DomainState
from poolfleet.v1 import agent_pb2, domain_disk_pb2

_MODES = Numbers(agent_pb2.Agent.Mode.items(), "MODE_", AgentMode)
DOMAIN_STATES = Numbers(domain_disk_pb2.DomainDisk.DomainState.items(), "DOMAIN_STATE_", DomainState)
ROLES = Numbers(domain_disk_pb2.DomainDisk.Role.items(), "ROLE_", DiskRole)


def agent(message: agent_pb2.Agent) -> Agent:
    """The agent itself."""
    has = message.HasField
    return Agent(
        agent_id=message.agent_id,
        host_name=message.host_name,
        host_uuid=message.host_uuid,
        boot_id=message.boot_id,
        revision=revision(message.revision),
        time=moment(message.time) if has("time") else None,
        versions=_versions(message.versions),
        storage_uri=message.storage_uri,
        domain_uris=tuple(message.domain_uris),
        libvirt_connected=message.libvirt_connected,
        pool_types=tuple(message.pool_types),
        features=tuple(message.features),
        limits=_limits(message.limits),
        mode=_MODES[message.mode],
        maintenance=_maintenance(message.maintenance),
        started_at=moment(message.started_at) if has("started_at") else None,
        registry_loaded=message.registry_loaded,
        as_of=moment(message.as_of) if has("as_of") else None,
        age_s=seconds(message.age) if has("age") else None,
    )


def disk(message: domain_disk_pb2.DomainDisk) -> DomainDisk:
    """One reference of one domain."""
    return DomainDisk(
        domain=message.domain,
        domain_uuid=message.domain_uuid,
        domain_state=DOMAIN_STATES[message.domain_state],
        role=ROLES[message.role],
        target=message.target,
        source_kind=message.source_kind,
        path=message.path,
        storage_id=message.storage_id,
        pool=message.pool,
        volume=message.volume,
        read_only=message.read_only,
        shared=message.shared,
        format=message.format,
        depth=message.depth,
    )


def _versions(message: agent_pb2.AgentVersions) -> AgentVersions:
    return AgentVersions(
        agent=message.agent,
        libvirt=message.libvirt,
        libvirt_client=message.libvirt_client,
        python=message.python,
        kernel=message.kernel,
    )


def _limits(message: agent_pb2.AgentLimits) -> AgentLimits:
    return AgentLimits(
        default_page_size=message.default_page_size,
        longest_page_size=message.longest_page_size,
        page_bytes=message.page_bytes,
        request_id_retention_s=seconds(message.request_id_retention),
        staleness_s=seconds(message.staleness),
    )


def _maintenance(message: agent_pb2.Maintenance) -> Maintenance:
    until = moment(message.until) if message.HasField("until") else None
    return Maintenance(enabled=message.enabled, reason=message.reason, until=until)
