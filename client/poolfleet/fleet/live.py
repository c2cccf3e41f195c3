"""The inventory of a fleet as it changes: each host's pools are followed, and put together whenever somebody looks.

Volumes and domains are not followed: how many volumes a pool has its agent counts.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from poolfleet.agent.client import AgentClient
from poolfleet.agent.watched import WatchedInventory
from poolfleet.fleet.fleet import Fleet
from poolfleet.fleet.freshness import is_stale
from poolfleet.inventory.merge import merge
from poolfleet.inventory.model import HostStatus, Inventory
from poolfleet.inventory.seen import HostSeen
from poolfleet.transport.retries import reconnecting
from poolfleet.types.agent import Agent
from poolfleet.types.errors import PoolfleetError, Unavailable
from poolfleet.types.inventory import InventoryBatch
from poolfleet.types.pool import Pool
from poolfleet.types.volume import VolumeListing

_HEARTBEAT_S = 10.0


@dataclass(slots=True)
class _Told:
    """What a host has told; after an interruption that stays, as old as it is."""

    name: str
    site: str | None
    agent: Agent | None = None
    state: WatchedInventory = field(default_factory=WatchedInventory)
    told_at_s: float = 0.0
    changed_at_s: dict[str, float] = field(default_factory=dict)
    """When a pool was told of beside a whole state: that is how it was then, whenever the others were looked at."""
    whole: bool = True
    """Whether what comes is a whole state, up to its bookmark."""
    error: PoolfleetError | None = field(default_factory=lambda: Unavailable("it has not told anything yet"))
    given_up: bool = False


class LiveInventory:
    """Follows the hosts of a fleet, which stays open."""

    def __init__(self, fleet: Fleet) -> None:
        """Nothing is known yet."""
        self._fleet = fleet
        self._told = [_Told(host.name, host.site) for host in fleet.hosts]

    async def follow(self) -> None:
        """Follow every host, over lost connections and restarts, until cancelled; ends where none can be followed."""
        async with asyncio.TaskGroup() as following:
            for told in self._told:
                following.create_task(_follow(self._fleet.client(told.name), told))

    def now(self) -> Inventory:
        """What has been told up to now; `volumes` is empty, and each storage has its `volume_count`."""
        return merge(_seen(told) for told in self._told)


async def _follow(client: AgentClient, told: _Told) -> None:
    def lost(error: PoolfleetError) -> None:
        told.error = error

    try:
        told.agent = await reconnecting(lost=lost)(client.get)
        watch = client.inventory.follow(
            told.state, volumes=False, domain_disks=False, heartbeat_s=_HEARTBEAT_S, lost=lost
        )
        async with aclosing(watch) as batches:
            async for batch in batches:
                _note(told, batch, time.monotonic())
    except PoolfleetError as error:
        # It does not pass by itself: the host stands in the inventory as failed.
        told.error, told.given_up = error, True


def _note(told: _Told, batch: InventoryBatch, now_s: float) -> None:
    told.whole = told.whole or batch.resync is not None
    for change in batch.pools:
        if told.whole:
            told.changed_at_s.pop(change.pool_uuid, None)
        elif change.pool is not None:
            told.changed_at_s[change.pool_uuid] = now_s
    if batch.bookmark is not None:
        told.error, told.told_at_s, told.whole = None, now_s, False


def _seen(told: _Told) -> HostSeen:
    bookmark = told.state.bookmark
    if bookmark is None:
        return HostSeen(host=told.name, site=told.site, status=_not_heard(told), error=told.error)
    now_s = time.monotonic()
    whole_age_s = None if bookmark.age_s is None else bookmark.age_s + now_s - told.told_at_s

    def aged(uuid: str, pool: Pool) -> Pool:
        changed_at_s = told.changed_at_s.get(uuid)
        return replace(pool, as_of=bookmark.as_of, age_s=whole_age_s if changed_at_s is None else now_s - changed_at_s)

    pools = tuple(aged(uuid, pool) for uuid, pool in told.state.pools.items())
    age_s = max((pool.age_s for pool in pools if pool.age_s is not None), default=whole_age_s)
    status = HostStatus.STALE if is_stale(age_s, told.agent) else HostStatus.OK
    return HostSeen(
        host=told.name,
        site=told.site,
        status=_not_heard(told) if told.error else status,
        error=told.error,
        agent_id=told.agent.agent_id if told.agent else "",
        pools=pools,
        volumes=VolumeListing(
            volumes=(),
            unread_pools=bookmark.unread_pools,
            revision=bookmark.revision,
            as_of=bookmark.as_of,
            age_s=age_s,
        ),
        as_of=bookmark.as_of,
        age_s=age_s,
    )


def _not_heard(told: _Told) -> HostStatus:
    return HostStatus.FAILED if told.given_up else HostStatus.UNREACHABLE
