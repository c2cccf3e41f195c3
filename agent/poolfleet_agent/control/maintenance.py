"""SetMaintenance: stand the supervisor still, or let it go on. It outlives a restart, and may end by itself."""

from dataclasses import dataclass, field

import structlog

from poolfleet_agent.model.errors import invalid_field
from poolfleet_agent.model.maintenance import Maintenance
from poolfleet_agent.model.ports import Clock, MaintenanceStore

LONGEST_REASON_BYTES = 1000

log = structlog.get_logger(__name__)


@dataclass(kw_only=True)
class MaintenanceState:
    """The one state of this host."""

    store: MaintenanceStore
    clock: Clock
    _known: Maintenance = field(default_factory=Maintenance)

    async def load(self) -> None:
        """Read the store."""
        self._known = await self.store.load()

    @property
    def now(self) -> Maintenance:
        """As it is in force now: one whose time is up is none."""
        return self._known if self._known.holds(self.clock.now_s()) else Maintenance()

    async def set(self, wanted: Maintenance, *, by: str) -> Maintenance:
        """Begin or end it: INVALID_FIELD."""
        if len(wanted.reason.encode()) > LONGEST_REASON_BYTES:
            raise invalid_field("reason", f"must have at most {LONGEST_REASON_BYTES} bytes")
        if wanted.until_s is not None and wanted.until_s <= self.clock.now_s():
            raise invalid_field("until", "must lie in the future")
        if not wanted.enabled and (wanted.reason or wanted.until_s is not None):
            raise invalid_field("reason", "and until go with enabled")
        await self.store.save(wanted)
        self._known = wanted
        log.info("maintenance", enabled=wanted.enabled, reason=wanted.reason, until_s=wanted.until_s, by=by)
        return self.now
