"""Having libvirt see what it did not make itself: one refresh for all who wait for one."""

from poolfleet_agent.control.quarantine import Quarantine
from poolfleet_agent.inventory.registry import Registry
from poolfleet_agent.inventory.turns import Turns
from poolfleet_agent.model.ports import Hypervisor


def pool_refreshes(hypervisor: Hypervisor, registry: Registry, quarantine: Quarantine) -> Turns[None]:
    """Refreshes by pool: who asks gets one that began after it asked, or what the quarantine or libvirt refuses."""

    async def refresh(pool: str) -> None:
        entry = registry.snapshot.entry(pool)
        await quarantine.check_refresh(entry)
        await hypervisor.refresh_pool(pool, server=entry.pool.server)

    return Turns("refresh pool", refresh)
