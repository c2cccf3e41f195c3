"""What the inventory needs of one host, and how an outcome becomes what one host contributes to it."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from poolfleet.agent.client import AgentClient
from poolfleet.fleet.freshness import is_stale, looked_at
from poolfleet.fleet.members import is_unreachable
from poolfleet.fleet.result import FleetResult, Status
from poolfleet.inventory.model import HostStatus
from poolfleet.inventory.seen import HostSeen
from poolfleet.types.agent import Agent
from poolfleet.types.disk import DomainDisks
from poolfleet.types.errors import PoolfleetError
from poolfleet.types.pool import Pool
from poolfleet.types.volume import VolumeListing

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One host's part; what it could not tell is None, and its errors say why."""

    agent: Agent | None
    pools: list[Pool] | None
    volumes: VolumeListing | None
    disks: DomainDisks | None
    errors: tuple[PoolfleetError, ...]


async def look(client: AgentClient) -> Look:
    """Read agent, pools, volumes and domain disks. Raises PoolfleetError only where the host gives no answer."""
    parts = _Parts()
    # Pools come last: a volume whose pool is gone by then is noticed, a pool without its volumes would not be.
    agent = await parts.read(client.get())
    volumes = await parts.read(client.volumes.read_all())
    disks = await parts.read(client.inventory.disks())
    pools = await parts.read(pools_of(client))
    return Look(agent=agent, volumes=volumes, disks=disks, pools=pools, errors=tuple(parts.errors))


async def standing(client: AgentClient) -> Look:
    """Read agent and pools: whether the host has a storage, and may act for it. Raises as `look` does."""
    parts = _Parts()
    agent = await parts.read(client.get())
    pools = await parts.read(pools_of(client))
    return Look(agent=agent, volumes=None, disks=None, pools=pools, errors=tuple(parts.errors))


async def use(client: AgentClient) -> Look:
    """Read agent and pools, and have the domains read anew: who uses what at this moment. Raises as `look` does."""
    parts = _Parts()
    agent = await parts.read(client.get())
    pools = await parts.read(pools_of(client))
    disks = await parts.read(client.inventory.disks(max_staleness_s=0.0))
    return Look(agent=agent, volumes=None, disks=disks, pools=pools, errors=tuple(parts.errors))


async def pools_of(client: AgentClient) -> list[Pool]:
    """Read all pools of a host, by name."""
    return [pool async for pool in client.pools.list()]


class _Parts:
    """Reads one part after the other; what a host refuses is noted, and the others are read all the same."""

    def __init__(self) -> None:
        self.errors: list[PoolfleetError] = []

    async def read(self, reading: Awaitable[T]) -> T | None:
        try:
            return await reading
        except PoolfleetError as error:
            if is_unreachable(error):
                raise
            self.errors.append(error)
            return None


def seen(result: FleetResult[Look], sites: Mapping[str, str | None]) -> Iterator[HostSeen]:
    """Each host's contribution to the inventory."""
    for outcome in result.values():
        found = outcome.value
        if found is None:
            status = HostStatus.UNREACHABLE if outcome.status is Status.UNREACHABLE else HostStatus.FAILED
            yield HostSeen(host=outcome.host, site=sites[outcome.host], status=status, error=outcome.error)
            continue
        as_of, age_s = looked_at([part for part in (found.volumes, found.disks, *(found.pools or ())) if part])
        stale = is_stale(age_s, found.agent)
        yield HostSeen(
            host=outcome.host,
            site=sites[outcome.host],
            status=HostStatus.FAILED if found.errors else HostStatus.STALE if stale else HostStatus.OK,
            error=found.errors[0] if found.errors else None,
            agent_id=found.agent.agent_id if found.agent else "",
            pools=tuple(found.pools or ()),
            volumes=found.volumes,
            disks=found.disks,
            as_of=as_of,
            age_s=age_s,
        )
