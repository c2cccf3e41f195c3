"""The port model.ports.Documents: libvirt's XML, both ways."""

from collections.abc import Sequence

from poolfleet_agent.hypervisor.xml import pools, secrets, sources, volumes
from poolfleet_agent.model.discovery import DiscoveredSource, SourceQuery
from poolfleet_agent.model.pool import PoolDefinition
from poolfleet_agent.model.secret import SecretRef
from poolfleet_agent.model.volume import VolumeDefinition


class LibvirtDocuments:
    """libvirt's documents. Pure: needs no connection."""

    def parse_pool(self, xml: str) -> PoolDefinition:
        """Read a pool document: INVALID_FIELD."""
        return pools.parse_pool(xml)

    def render_pool(self, definition: PoolDefinition) -> str:
        """Write a pool document."""
        return pools.render_pool(definition)

    def edit_pool(self, xml: str, definition: PoolDefinition) -> str:
        """Write into a document what the definition states, and keep all else: INVALID_FIELD."""
        return pools.edit_pool(xml, definition)

    def pool_secrets(self, xml: str) -> Sequence[SecretRef]:
        """Read which secrets a pool document refers to: INVALID_FIELD."""
        return secrets.pool_secrets(xml)

    def render_source_query(self, query: SourceQuery) -> str:
        """Write where libvirt is to look for sources; empty: on the host itself."""
        return sources.render_query(query)

    def parse_sources(self, xml: str) -> Sequence[DiscoveredSource]:
        """Read which sources libvirt found: INVALID_FIELD."""
        return sources.parse_sources(xml)

    def parse_volume(self, xml: str) -> VolumeDefinition:
        """Read a volume document: INVALID_FIELD, TOO_LARGE."""
        return volumes.parse_volume(xml)

    def render_volume(self, definition: VolumeDefinition) -> str:
        """Write a volume document."""
        return volumes.render_volume(definition)
