"""What attempts of ours left mounted that did not end well, for the agent or libvirtd was gone in their midst.

Where libvirt has its pool started on it, it is the pool's. Where the pool is meant to be started, the next start takes
it over. All else is undone: nothing stays that was not there before.
"""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from poolfleet_agent.control.host import Host
from poolfleet_agent.control.lanes import Lanes
from poolfleet_agent.control.pools.attempt import unmount_soon
from poolfleet_agent.control.pools.heal import lost_share
from poolfleet_agent.control.pools.mounting import mount_request
from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.compare import clean_path
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.operation import OperationKind
from poolfleet_agent.model.pool import MountOwner, Pool

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Leftovers:
    """Looks after the attempts that the book has, each under its pool's lane. `will_start`: whom the next start is."""

    host: Host
    lanes: Lanes
    will_start: Callable[[Pool], bool]

    async def tidy(self) -> None:
        """Settle or undo each that is no attempt at work."""
        for target in self.host.book.attempts():
            entry = self._pool_at(target)
            try:
                await self._under_its_lane(target, entry)
            except ModelError as error:
                if error.reason is not Reason.OPERATION_IN_PROGRESS:
                    log.warning("a mount that was left over stays for now", target=target, error=error.message)

    def _pool_at(self, target: str) -> PoolEntry | None:
        entries = self.host.registry.snapshot.pools.values()
        return next((entry for entry in entries if clean_path(entry.pool.definition.target_path or "") == target), None)

    async def _under_its_lane(self, target: str, entry: PoolEntry | None) -> None:
        pool = entry.pool.name if entry is not None else ""
        claim, _ = self.lanes.claim(kind=OperationKind.STOP_POOL, pool=pool, volume="", fingerprint=f"tidy {target}")
        try:
            await self._settle(target, entry)
        finally:
            self.lanes.release(claim)

    async def _settle(self, target: str, entry: PoolEntry | None) -> None:
        # What goes on by itself would mount when its server answers, long after anybody knew that it is ours.
        await self.host.mounts.end_orphans(target)
        there = (await self.host.mounts.table()).on(target)
        request = mount_request(entry.pool.definition) if entry is not None else None
        if there is None:
            await self.host.book.gone(target)
        elif entry is not None and entry.pool.active and request is not None:
            if lost_share(self.host, entry) is None:
                await self.host.book.mounted(request, MountOwner.AGENT, address=there.address)
        elif entry is None or not self.will_start(entry.pool):
            await unmount_soon(self.host.mounts, target)
            await self.host.book.gone(target)
            log.info("a mount that was left over is undone", target=target, source=there.source)
