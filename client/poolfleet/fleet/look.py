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
    errors: list[PoolfleetError] = []
    # Pools come last: a volume whose pool is gone by then is noticed, a pool without its volumes would not be.
    agent = await _part(client.get(), errors)
    volumes = await _part(client.volumes.read_all(), errors)
    disks = await _part(client.inventory.disks(), errors)
    pools = await _part(_pools(client), errors)
    return Look(agent=agent, volumes=volumes, disks=disks, pools=pools, errors=tuple(errors))


async def look_at_pools(client: AgentClient) -> Look:
    """Read agent and pools alone. Raises as `look` does."""
    errors: list[PoolfleetError] = []
    agent = await _part(client.get(), errors)
    return Look(agent=agent, volumes=None, disks=None, pools=await _part(_pools(client), errors), errors=tuple(errors))


async def _pools(client: AgentClient) -> list[Pool]:
    return [pool async for pool in client.pools.list()]


async def _part(reading: Awaitable[T], errors: list[PoolfleetError]) -> T | None:
    try:
        return await reading
    except PoolfleetError as error:
        if is_unreachable(error):
            raise
        errors.append(error)
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
