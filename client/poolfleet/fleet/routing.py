"""Which host acts for a storage that several hosts have: the same for every caller, while it can.

Hosts are in an order of their own for each storage (rendezvous hashing): when one goes, only what it did is taken over
by others, each storage by the next in its own order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence

from poolfleet.inventory.identity import Joined
from poolfleet.inventory.seen import PoolSeen
from poolfleet.types.agent import Agent, AgentMode
from poolfleet.types.errors import FailedPrecondition, InvalidArgument, NotFound, Unavailable
from poolfleet.types.pool import HealthStatus

_SHOWN = 5


def chosen(storages: Iterable[Joined], word: str, places: Collection[tuple[str, str]] = ()) -> Joined:
    """The one storage that has this id or spelling, or a pool of this name; where there are `places`, this id there.

    Raises NotFound (POOL_NOT_FOUND), InvalidArgument where several storages have such a pool, FailedPrecondition
    (IDENTITY_CONFLICT) where there is another storage at those places by now.
    """
    every = list(storages)
    if places:
        there = [storage for storage in every if any(seen.place in places for seen in storage.pools)]
        found = [storage for storage in there if _is_called(storage, word)]
        if there and not found:
            raise _replaced(there[0], word, places)
    else:
        found = [storage for storage in every if word in (storage.storage_id, *storage.aliases)] or [
            storage for storage in every if any(seen.pool.name == word for seen in storage.pools)
        ]
    if not found:
        raise NotFound(f"no host has pool {word}", reason="POOL_NOT_FOUND", metadata={"pool": word})
    if len(found) > 1:
        ids = ", ".join(storage.storage_id for storage in found[:_SHOWN])
        raise InvalidArgument(
            f"{word} is a pool of {len(found)} storages: {ids}; choose hosts of one, or say its id",
            reason="INVALID_FIELD",
            metadata={"pool": word},
        )
    return found[0]


def _is_called(storage: Joined, word: str) -> bool:
    """Whether an id of an inventory is one of the storage's: with its site, or without it where none is needed now."""
    names = {storage.storage_id, *(name for seen in storage.pools for name in seen.spellings)}
    return word in names or word.rpartition("@")[0] in names


def _replaced(storage: Joined, word: str, places: Collection[tuple[str, str]]) -> FailedPrecondition:
    host, pool = next(seen.place for seen in storage.pools if seen.place in places)
    return FailedPrecondition(
        f"pool {pool} lay on {word} and lies on {storage.storage_id} now: take the inventory anew",
        reason="IDENTITY_CONFLICT",
        metadata={"storage": storage.storage_id, "pool": pool},
        host=host,
    )


def in_order(storage: Joined, agents: Mapping[str, Agent]) -> list[PoolSeen]:
    """The pools by which hosts have a storage, each host once, the first to be asked first.

    `agents`: who answered, by host; a host that did not is left out.
    """
    by_host: dict[str, PoolSeen] = {}
    for seen in storage.pools:
        if seen.host.host in agents and (seen.host.host not in by_host or seen.pool.active):
            by_host[seen.host.host] = seen
    return sorted(by_host.values(), key=lambda seen: _weight(storage.storage_id, seen))


def acting(order: Sequence[PoolSeen], agents: Mapping[str, Agent]) -> list[PoolSeen]:
    """Those of them that may act. A host that was chosen alone is asked in any case: its agent tells why it does not.

    Raises Unavailable (NO_HOST) where none may.
    """
    if len(order) == 1:
        return list(order)
    unfit = {seen.host.host: _unfit(agents[seen.host.host], seen) for seen in order}
    if able := [seen for seen in order if not unfit[seen.host.host]]:
        return able
    why = "; ".join(f"{host}: {words}" for host, words in sorted(unfit.items())[:_SHOWN])
    raise Unavailable(f"no host may act on the storage now ({why})", reason="NO_HOST")


def _unfit(agent: Agent, seen: PoolSeen) -> str:
    """Why a host is not to act, among others that may; empty: it may."""
    health = seen.pool.health
    if agent.mode is AgentMode.OBSERVE:
        return "observes only"
    if agent.maintenance.enabled:
        return "under maintenance"
    if not agent.libvirt_connected:
        return "libvirt does not answer"
    if not seen.pool.active:
        return f"pool {seen.pool.name} is {seen.pool.state}"
    if health is None or health.status is not HealthStatus.HEALTHY:
        return f"pool {seen.pool.name} is {health.status if health else 'of unknown health'}"
    return ""


def check_identity(storage: Joined, hosts: Sequence[str]) -> None:
    """Refuse to choose among hosts that may not have one storage: FailedPrecondition (IDENTITY_CONFLICT)."""
    if storage.conflict and len(hosts) > 1:
        raise FailedPrecondition(
            f"which host may act for {storage.storage_id} cannot be told: {storage.conflict}",
            reason="IDENTITY_CONFLICT",
            metadata={"storage": storage.storage_id},
        )


def _weight(storage_id: str, seen: PoolSeen) -> bytes:
    # By the agent, whatever the fleet file of a caller calls its host.
    who = seen.host.agent_id or seen.host.host
    return hashlib.sha256(f"{storage_id}\0{who}".encode()).digest()
