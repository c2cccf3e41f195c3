"""Compares the pools that hosts have on one storage.

Judged is what a live migration trips over: it needs the storage on both hosts, started, under one path and one name,
and mounted so that guests do not notice on which of them they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from poolfleet.inventory.check import remedies
from poolfleet.inventory.check.model import CheckedStorage, Finding, FindingKind, StorageCheck
from poolfleet.inventory.check.mounts import READ_ONLY, traits
from poolfleet.inventory.check.usual import Usually, on_each_host, target
from poolfleet.inventory.hosts import each_agent_once, listed, not_heard
from poolfleet.inventory.identity import Joined, join
from poolfleet.inventory.model import HostStatus
from poolfleet.inventory.seen import HostSeen, PoolSeen
from poolfleet.types.pool import HealthStatus, StorageIdSource

_AMISS = (HealthStatus.UNRESPONSIVE, HealthStatus.FAULTY)


def check(answers: Iterable[HostSeen]) -> StorageCheck:
    """Compare what hosts answered of their pools, whatever the order of the answers. Raises nothing."""
    hosts = each_agent_once(answers)
    told = [host for host in hosts if host.status in (HostStatus.OK, HostStatus.STALE)]
    storages = join([PoolSeen(host=host, pool=pool) for host in told for pool in host.pools])
    return StorageCheck(
        hosts=tuple(listed(host) for host in hosts),
        storages=tuple(_checked(storage, told) for storage in storages),
        missing=tuple(line for host in hosts for line in not_heard(host)),
    )


def _checked(storage: Joined, told: Sequence[HostSeen]) -> CheckedStorage:
    # Of what no agent can tell an id there is nothing to be compared either.
    nameless = storage.source is StorageIdSource.UNKNOWN
    local_to = storage.pools[0].host.host if nameless else storage.local_to
    compared = [] if local_to else list(_at_its_sites(storage, told))
    return CheckedStorage(
        storage_id=storage.storage_id,
        source=storage.source,
        aliases=storage.aliases,
        pools=tuple(sorted({seen.pool.name for seen in storage.pools})),
        local_to=local_to,
        hosts=tuple(host.host for host in compared),
        findings=tuple(_findings(storage, compared)) if compared else (),
    )


def _at_its_sites(storage: Joined, told: Sequence[HostSeen]) -> Iterator[HostSeen]:
    """The hosts that ought to have it: all, but for those that are known to be at other sites."""
    sites = {seen.host.site for seen in storage.pools if seen.host.site is not None}
    yield from (host for host in told if not sites or host.site is None or host.site in sites)


def _findings(storage: Joined, hosts: Sequence[HostSeen]) -> Iterator[Finding]:
    usually, of_host = on_each_host(storage.pools)
    model = max(of_host.values(), key=lambda seen: usually.likeness(seen.pool))
    if storage.conflict:
        yield _conflict(storage, model)
    for host in hosts:
        if host.host in of_host:
            yield from _differing(of_host[host.host], model, usually)
        else:
            yield _missing(host, storage, model, usually)


def _conflict(storage: Joined, model: PoolSeen) -> Finding:
    return Finding(
        kind=FindingKind.IDENTITY_CONFLICT,
        host=model.host.host,
        pool=model.pool.name,
        message=f"its id is not to be trusted: {storage.conflict}",
        commands=remedies.identify(storage, model),
    )


def _missing(host: HostSeen, storage: Joined, model: PoolSeen, usually: Usually) -> Finding:
    name = usually.name.value
    namesake = next((pool for pool in host.pools if pool.name == name), None)
    if namesake is None:
        return Finding(
            kind=FindingKind.MISSING,
            host=host.host,
            pool="",
            message=f"no pool of the host lies there, as {name} does on {usually.name.where}",
            commands=remedies.make(host.host, model),
        )
    other = namesake.storage.id if namesake.storage else "something that its agent has no id for"
    return Finding(
        kind=FindingKind.OTHER_STORAGE,
        host=host.host,
        pool=name,
        message=f"its pool {name} lies on {other}, not on {storage.storage_id}",
        commands=remedies.look(host.host, name),
    )


def _differing(seen: PoolSeen, model: PoolSeen, usually: Usually) -> Iterator[Finding]:
    pool, health = seen.pool, seen.pool.health

    def found(kind: FindingKind, message: str, commands: tuple[str, ...]) -> Finding:
        return Finding(kind=kind, host=seen.host.host, pool=pool.name, message=message, commands=commands)

    if not pool.active:
        yield found(FindingKind.INACTIVE, f"pool {pool.name} is {pool.state}", remedies.start(seen))
    # Read-only is how it is mounted: it may be meant so on all hosts.
    elif health is not None and health.status in _AMISS and health.reason != READ_ONLY:
        words = f"pool {pool.name} is {health.status}: {health.message or health.reason or 'no reason given'}"
        yield found(FindingKind.UNHEALTHY, words, remedies.probe(seen))
    if usually.target and (path := target(pool)) and path != usually.target.value:
        words = f"pool {pool.name} has its volumes in {path}, not in {usually.target}"
        yield found(FindingKind.OTHER_TARGET, words, remedies.move(seen, usually.target.value))
    if pool.name != usually.name.value:
        words = f"its pool is named {pool.name}, not {usually.name}"
        yield found(FindingKind.OTHER_NAME, words, remedies.rename(seen, model))
    others = [
        f"{words}, not {usually.traits[trait]}"
        for trait, words in traits(pool).items()
        if words != usually.traits[trait].value
    ]
    if others:
        words = f"pool {pool.name} is mounted {' and '.join(others)}"
        yield found(FindingKind.OTHER_MOUNT, words, remedies.mount_alike(seen, model))
    if not pool.persistent:
        words = f"pool {pool.name} is transient: it is gone once it stops"
        yield found(FindingKind.NOT_AUTOSTARTED, words, remedies.store(seen))
    elif not pool.autostart:
        words = f"pool {pool.name} is not started with the host"
        yield found(FindingKind.NOT_AUTOSTARTED, words, remedies.autostart(seen))
