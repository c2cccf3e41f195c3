"""Having libvirt see what it did not make itself: the one way to a refresh, and one refresh for all who wait for one.

A refresh opens every file of the pool, and where it fails libvirt stops the pool: so the share has to answer and to let
files be opened, and the stop is known for nobody's wish.
"""

from dataclasses import dataclass

import structlog
from tenacity import retry, retry_if_exception, stop_after_delay, wait_exponential

from poolfleet_agent.control.grace import Say, ServerGrace
from poolfleet_agent.control.lanes import Lanes
from poolfleet_agent.control.quarantine import Quarantine
from poolfleet_agent.inventory.own_changes import OwnChanges
from poolfleet_agent.inventory.registry import Registry
from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.inventory.turns import Turns
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.ports import Hypervisor

BUSY_LIMIT_S = 300.0
"""How long libvirt may be at work in a pool, on volumes of others, before it can read it anew."""

REST = 20.0
"""How much longer than a refresh took is none: libvirt tells nobody of the pool meanwhile, and an event has the agent
look at it. So the volumes of a crowd, which come one after the other, share a few."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Refreshing:
    """Refreshes one pool."""

    hypervisor: Hypervisor
    quarantine: Quarantine
    grace: ServerGrace
    own_changes: OwnChanges

    async def refresh(self, entry: PoolEntry, say: Say) -> None:
        """Once libvirt may open the pool's files: SERVER_IN_GRACE, and what the quarantine or libvirt refuses."""
        await self.grace.passed(entry.pool.definition, say)
        await self.quarantine.check_refresh(entry)
        await self.refresh_proven(entry)

    async def refresh_proven(self, entry: PoolEntry) -> None:
        """The same at once, for who has just seen that libvirt may."""
        server = entry.pool.server or self.quarantine.mounts.server_below(entry.volumes.values())
        with self.own_changes.refreshing(entry.pool.name):
            await self.hypervisor.refresh_pool(entry.pool.name, server=server)


def _is_busy(error: BaseException) -> bool:
    return isinstance(error, ModelError) and error.reason is Reason.RESOURCE_BUSY


class Refreshes:
    """Refreshes by pool: who asks gets one that began after it asked, or what `Refreshing.refresh` raises."""

    def __init__(self, refreshing: Refreshing, registry: Registry, lanes: Lanes) -> None:
        """None yet. By the lanes is told whether others are at work in a pool, who will want one too."""

        async def refresh(pool: str) -> None:
            async def say(message: str) -> None:
                log.info("a refresh waits", pool=pool, why=message)

            await refreshing.refresh(registry.snapshot.entry(pool), say)

        self._turns = Turns("refresh pool", refresh, rest=REST, is_crowded=lanes.is_crowded)

    @retry(
        retry=retry_if_exception(_is_busy),
        wait=wait_exponential(multiplier=0.02, max=1.0),
        stop=stop_after_delay(BUSY_LIMIT_S),
        reraise=True,
    )
    async def ask(self, pool: str) -> None:
        """For what is done: libvirt refreshes no pool in which it creates a volume, and so that is waited out.

        It must not be told as a failure, which its caller might do once more.
        """
        await self._turns.ask(pool)

    async def ask_once(self, pool: str) -> None:
        """For a check, whose caller waits for its answer: RESOURCE_BUSY while libvirt creates a volume in the pool."""
        await self._turns.ask(pool)

    async def close(self) -> None:
        """End what runs and wait for it."""
        await self._turns.close()
