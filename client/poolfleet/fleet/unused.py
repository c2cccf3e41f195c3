"""Whether the fleet lets a volume be changed: every host is asked who uses it, in the moment before."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from poolfleet.agent.client import AgentClient
from poolfleet.fleet.asking import Asking, Told
from poolfleet.fleet.look import standing, use
from poolfleet.inventory.identity import Joined
from poolfleet.inventory.seen import PoolSeen
from poolfleet.inventory.sentences import shortened
from poolfleet.inventory.usage import Target, described, domains_using, elsewhere, not_started, untold
from poolfleet.types.disk import DomainDisk, DomainState
from poolfleet.types.errors import FailedPrecondition, InvalidArgument, NotFound, Unavailable

_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Which users of a volume are a reason to refuse its change."""

    stopped_domains: bool = True
    """Domains that are defined and do not run, too."""
    readers: bool = True
    """Domains that only read it, too."""
    files: bool = True
    """Volumes that lie on it."""
    unknown: bool = True
    """Hosts that may have such, and cannot tell."""

    def domain(self, disk: DomainDisk) -> bool:
        """Whether a domain's disk is one."""
        return (self.stopped_domains or disk.domain_state is not DomainState.INACTIVE) and (
            self.readers or not disk.read_only
        )


async def is_its_own(asking: Asking, storage: Joined, acting: PoolSeen) -> bool:
    """Whether nobody but the acting host can have the storage, of which its agent then knows all.

    A folder of its own it may let others mount: then the same files lie in a storage of another name, on other hosts.
    """
    if not storage.local_to:
        return False
    told = await asking.told(standing)
    return not _whole(told, storage, acting).conflict


async def require_unused(
    asking: Asking, storage: Joined, acting: PoolSeen, volume: str, counted: Counted
) -> tuple[str, ...]:
    """Refuse where any host uses the volume: FailedPrecondition (VOLUME_IN_USE), with who does.

    Raises Unavailable (INCOMPLETE) where that cannot be told, and counts, with why; what is known to use it is told
    first. The answer is what cannot be told and does not count, a sentence.
    """
    told = await asking.told(use)
    host, pool = acting.place
    target = Target(storage=_whole(told, storage, acting), name=volume, acting=host)
    users = [described(user) for user in domains_using(target, told.hosts, counted.domain)]
    missing = untold(target, told.hosts)
    if counted.files:
        lying, unread = await _files(asking, told, target)
        users, missing = users + lying, missing + unread
    if users:
        shown = shortened(users, most=_SHOWN, between=", ")
        raise FailedPrecondition(
            f"volume {pool}/{volume} is used by {shown}",
            reason="VOLUME_IN_USE",
            metadata={"pool": pool, "volume": volume, "users": shown},
            host=host,
        )
    if not missing:
        return ()
    words = shortened(missing, most=_SHOWN)
    message = f"whether volume {pool}/{volume} is in use cannot be told: {words}"
    if counted.unknown:
        raise Unavailable(
            message,
            reason="INCOMPLETE",
            metadata={"pool": pool, "volume": volume, "missing": words},
            host=host,
        )
    return (message,)


def _whole(told: Told, storage: Joined, acting: PoolSeen) -> Joined:
    """The storage as all hosts see it: those that may act were only some of them."""
    return next((each for each in told.storages if any(seen.place == acting.place for seen in each.pools)), storage)


async def _files(asking: Asking, told: Told, target: Target) -> tuple[list[str], list[str]]:
    """The volumes that lie on it by a look at all of them now, and what of these could not be read."""
    asked = elsewhere(target, told.storages)

    async def lying(client: AgentClient) -> tuple[list[str], list[str]]:
        host = client.name or client.target
        return await _lying_on(client, host, asked[host], target)

    users: list[str] = []
    missing = not_started(target, told.storages)
    for outcome in (await asking.each(lying, asked)).values():
        if outcome.value is None:
            missing.append(f"{outcome.host}: {outcome.error.message if outcome.error else outcome.status}")
        else:
            users += outcome.value[0]
            missing += outcome.value[1]
    return users, missing


async def _lying_on(
    client: AgentClient, host: str, pools: Sequence[str], target: Target
) -> tuple[list[str], list[str]]:
    uppers: defaultdict[str, list[str]] = defaultdict(list)
    users, missing = [], []
    for pool in pools:
        listing = await client.volumes.read_all(pool, max_staleness_s=0.0)
        missing += [f"{host}: {unread.pool} could not be read: {unread.message}" for unread in listing.unread_pools]
        for volume in listing.volumes:
            if volume.backing_store is not None:
                uppers[volume.backing_store.path].append(f"volume {pool}/{volume.name} on {host} (backing)")
    for path, names in uppers.items():
        try:
            users += names if await _leads_to(client, host, path, target) else []
        except (FailedPrecondition, InvalidArgument) as error:  # by links, or to where this agent may not look
            missing.append(f"{host}: what {names[0]} lies on cannot be told: {error.message}")
    return users, missing


async def _leads_to(client: AgentClient, host: str, path: str, target: Target) -> bool:
    # Who made the file may be another host, where the path leads elsewhere, whatever pools this one has.
    may_be = posixpath.basename(path) == target.name
    try:
        found = await client.volumes.lookup(path=path)
    except NotFound as error:
        return may_be or posixpath.basename(error.metadata.get("leads_to", "")) == target.name
    except InvalidArgument:
        # What the acting host itself has there it finds, when it is told to change the volume.
        if may_be or host == target.acting:
            return may_be
        raise
    return found.name == target.name and any(seen.pool.name == found.pool for seen in target.pools_of(host))
