"""The port model.ports.Documents: libvirt's XML, both ways."""

from poolfleet_agent.hypervisor.xml import pools, volumes
from poolfleet_agent.model.pool import PoolDefinition
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

    def parse_volume(self, xml: str) -> VolumeDefinition:
        """Read a volume document: INVALID_FIELD, TOO_LARGE."""
        return volumes.parse_volume(xml)

    def render_volume(self, definition: VolumeDefinition) -> str:
        """Write a volume document."""
        return volumes.render_volume(definition)
