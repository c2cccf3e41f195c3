"""The hosts of an inventory: each agent once, what is told of each, and what is lacking of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace

from poolfleet.inventory.model import HostStatus, InventoryHost
from poolfleet.inventory.seen import HostSeen
from poolfleet.types.pool import Pool


def each_agent_once(answers: Iterable[HostSeen]) -> list[HostSeen]:
    """Order hosts by name. Of entries that are one agent, the one that answered best tells; the others are empty."""
    hosts = sorted(answers, key=lambda seen: seen.host)
    by_agent: defaultdict[str, list[HostSeen]] = defaultdict(list)
    for host in hosts:
        if host.agent_id:
            by_agent[host.agent_id].append(host)
    order = list(HostStatus)
    first = {agent: min(same, key=lambda host: order.index(host.status)).host for agent, same in by_agent.items()}
    return [
        host
        if not host.agent_id or first[host.agent_id] == host.host
        else replace(host, status=HostStatus.DUPLICATE, pools=(), volumes=None, disks=None, error=None)
        for host in hosts
    ]


def listed(seen: HostSeen) -> InventoryHost:
    """A host as the inventory lists it."""
    return InventoryHost(
        name=seen.host, agent_id=seen.agent_id, status=seen.status, as_of=seen.as_of, age_s=seen.age_s, error=seen.error
    )


def no_answer(seen: HostSeen) -> Iterator[str]:
    """Why a host, or a part of it, gave no answer, a sentence; none: it gave one."""
    if seen.status in (HostStatus.UNREACHABLE, HostStatus.FAILED):
        yield f"{seen.host}: {seen.status}: {seen.error.message if seen.error else 'no answer'}"


def not_heard(seen: HostSeen) -> Iterator[str]:
    """Why a host's answer is not all that it has now, a sentence; none: it is."""
    yield from no_answer(seen)
    if seen.status is HostStatus.STALE:
        yield f"{seen.host}: what it told is {seen.age_s or 0:.0f} s old"


def lacking(seen: HostSeen) -> Iterator[str]:
    """What the inventory lacks of a host, a sentence each."""
    yield from not_heard(seen)
    yield from (line for _, line in lacking_of_pools(seen))
    yield from unread_domains(seen)


def unread_domains(seen: HostSeen) -> Iterator[str]:
    """Why domains may be lacking in a host's answer, a sentence; none: all of them were read, or no part was."""
    if seen.disks and not seen.disks.complete:
        yield f"{seen.host}: some domains could not be read: {'; '.join(seen.disks.missing) or 'no reason given'}"


def unaddressable(seen: HostSeen, pool: Pool) -> Iterator[str]:
    """What of a pool has a name that cannot be said, a sentence; none: nothing has."""
    if pool.unaddressable_count:
        yield f"{seen.host}: {pool.unaddressable_count} files of {pool.name} cannot be addressed"


def lacking_of_pools(seen: HostSeen) -> Iterator[tuple[str, str]]:
    """What it lacks of a host's pools: the pool, and a sentence."""
    for unread in seen.volumes.unread_pools if seen.volumes else ():
        words = f"the volumes of {unread.pool} could not be read: {unread.message or unread.reason}"
        yield unread.pool, f"{seen.host}: {words}"
    for pool in seen.pools:
        yield from ((pool.name, line) for line in unaddressable(seen, pool))
    for name in sorted(seen.volumes_by_pool().keys() - {pool.name for pool in seen.pools}):
        yield name, f"{seen.host}: {name} came or went while its volumes were read"
