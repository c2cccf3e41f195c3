"""DiscoverPoolSources: what a new pool could have as its source, asked of NFS servers by the agent, else by libvirt."""

import re
from dataclasses import dataclass, field

from poolfleet_agent.control.host import Host
from poolfleet_agent.control.pools.definitions import check_supported
from poolfleet_agent.control.pools.mounting import ADVICE
from poolfleet_agent.model.discovery import (
    LIBVIRT_POOL_TYPES,
    DiscoveredSource,
    Discovery,
    FoundBy,
    SourceQuery,
)
from poolfleet_agent.model.errors import ModelError, Reason, invalid_field
from poolfleet_agent.model.mount_failure import MountError, MountFailure
from poolfleet_agent.model.pool_source import NetfsSource
from poolfleet_agent.model.ports import MountRequest
from poolfleet_agent.model.sources import check_server

_INITIATOR = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:\-]{0,222}")
_HIGHEST_PORT = 65535


@dataclass(frozen=True, kw_only=True)
class DiscoverPoolSources:
    """Find sources of one type."""

    host: Host = field(repr=False)
    query: SourceQuery

    async def run(self) -> Discovery:
        """INVALID_FIELD, MOUNT_FAILED, OBSERVE_ONLY, AGENT_NOT_AUTHORIZED, NOT_SUPPORTED_HERE, and libvirt's own."""
        query = self.query
        self._check()
        if query.type == "netfs" and query.format in {"", "nfs"}:
            try:
                return await self._exports()
            except MountError as error:
                raise _refused(query.host, error) from error
        check_supported(query.type, self.host)
        documents = self.host.hypervisor.documents
        found = await self.host.hypervisor.find_pool_sources(
            query.type, documents.render_source_query(query), server=query.host or None
        )
        return Discovery(sources=tuple(documents.parse_sources(found)) if found else (), found_by=FoundBy.LIBVIRT)

    def _check(self) -> None:
        query = self.query
        if query.type not in LIBVIRT_POOL_TYPES:
            raise invalid_field("type", "must be a pool type of libvirt's, such as netfs", value=query.type)
        if query.host:
            check_server("host", query.host)
        elif query.type == "netfs":
            raise invalid_field("host", "must be the server whose exports are wanted")
        if not 0 <= query.port <= _HIGHEST_PORT:
            raise invalid_field("port", f"must be 0 to {_HIGHEST_PORT}", value=str(query.port))
        if query.initiator and not _INITIATOR.fullmatch(query.initiator):
            raise invalid_field("initiator", "must be an iSCSI name", value=query.initiator)
        if query.format not in ({"", "nfs", "glusterfs"} if query.type == "netfs" else {""}):
            raise invalid_field("format", "must be nfs or glusterfs, and goes with netfs", value=query.format)

    async def _exports(self) -> Discovery:
        query, mounts = self.query, self.host.mounts
        listed = await mounts.exports(query.host)
        if listed is not None:
            sources = (DiscoveredSource(host=query.host, path=one.path, clients=one.clients) for one in listed)
            return Discovery(sources=tuple(sources), found_by=FoundBy.MOUNTD)
        if self.host.rules.observe_only:
            message = f"{query.host} does not list its exports; to look at its root it would have to be mounted"
            raise ModelError(Reason.OBSERVE_ONLY, message, metadata={"host": query.host})
        # A server that is silent is known sooner so than by a mount.
        options = (f"port={query.port}",) if query.port else ()
        root = NetfsSource(host=query.host, path="/", format="nfs")
        probe = await mounts.probe_server(MountRequest(source=root, target="", options=options, protocol_version="4"))
        if (failed := probe.failed) is not None:
            raise MountError(MountFailure(failed.failure), failed.message, layer=failed.layer)
        paths = await mounts.paths_below_root(query.host, query.port)
        sources = (DiscoveredSource(host=query.host, path=path) for path in paths)
        return Discovery(sources=tuple(sources), found_by=FoundBy.ROOT)


def _refused(host: str, error: MountError) -> ModelError:
    advice = ADVICE.get(error.failure, "")
    metadata = {"host": host, "failure": error.failure, "layer": error.layer, "advice": advice}
    reason = Reason.AGENT_NOT_AUTHORIZED if error.failure is MountFailure.NOT_PRIVILEGED else Reason.MOUNT_FAILED
    message = f"{error.layer}: {error.message} ({error.failure})" + (f"; {advice}" if advice else "")
    return ModelError(reason, message, metadata=metadata)
