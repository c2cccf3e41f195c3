"""What reads ask of a host: the part of `control.host.Host` that answers and changes nothing.

Servicers of reads take this, so that they cannot reach more; a host that can only be read is no more than this.
"""

from typing import Protocol

from poolfleet_agent.control.host import HostRules
from poolfleet_agent.inventory.registry import Registry
from poolfleet_agent.inventory.snapshot import PoolEntry, VolumeRecord
from poolfleet_agent.model.domain_disk import DomainDisks
from poolfleet_agent.model.maintenance import Maintenance
from poolfleet_agent.model.ports import Clock, HypervisorFacts
from poolfleet_agent.model.volume import VolumeFacts


class Looks(Protocol):
    """Looks again at what the snapshot lacks, or has too old (inventory.look.Looker)."""

    async def pool(self, name: str) -> PoolEntry:
        """Look at a pool and its volumes: POOL_NOT_FOUND."""
        ...

    async def pool_facts(self, name: str) -> PoolEntry:
        """Look at a pool alone: POOL_NOT_FOUND."""
        ...

    async def volume(self, pool: str, name: str) -> VolumeRecord:
        """Look at one volume: POOL_NOT_FOUND, VOLUME_NOT_FOUND."""
        ...

    async def described_volume(self, pool: str, name: str) -> VolumeFacts:
        """Read one volume with its XML: as `volume`."""
        ...


class ToldFacts(Protocol):
    """Says what is known of libvirt (model.ports.Hypervisor)."""

    def facts(self) -> HypervisorFacts:
        """What the connection says of itself."""
        ...


class ToldMaintenance(Protocol):
    """Says whether pools are left alone (control.maintenance.MaintenanceState)."""

    @property
    def now(self) -> Maintenance:
        """As it is in force now."""
        ...


class ReadableHost(Protocol):
    """Everything that a read may touch."""

    @property
    def registry(self) -> Registry:
        """What was seen."""
        ...

    @property
    def looker(self) -> Looks:
        """What looks again."""
        ...

    @property
    def hypervisor(self) -> ToldFacts:
        """libvirt."""
        ...

    @property
    def maintenance(self) -> ToldMaintenance:
        """Whether pools are left alone."""
        ...

    @property
    def rules(self) -> HostRules:
        """What the configuration says."""
        ...

    @property
    def clock(self) -> Clock:
        """The host's clock."""
        ...

    async def find_pool(self, pool: str) -> PoolEntry:
        """Find a pool as it was last seen: POOL_NOT_FOUND."""
        ...

    async def fresh_disks(self) -> DomainDisks:
        """What the domains use, read now."""
        ...
