"""What is kept of maintenance."""

from typing import Protocol

from poolfleet_agent.model.maintenance import Maintenance


class MaintenanceStore(Protocol):
    """Keeps the one state of this host."""

    async def load(self) -> Maintenance:
        """What was saved last; none: not enabled."""
        ...

    async def save(self, maintenance: Maintenance) -> None:
        """Replace it."""
        ...
