"""Who uses a pool or a volume on this host, and what to say of it."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from poolfleet_agent.control.host import Host, require_complete
from poolfleet_agent.inventory.disks import resolve_disks
from poolfleet_agent.inventory.places import Place, Places
from poolfleet_agent.inventory.snapshot import PoolEntry, VolumeRecord
from poolfleet_agent.model.compare import clean_path
from poolfleet_agent.model.domain_disk import DomainDisk, DomainDisks, DomainState
from poolfleet_agent.model.errors import ModelError, Reason

SHOWN_USERS = 20


async def check_pool_not_in_use(host: Host, entry: PoolEntry, *, stopped_count: bool = False) -> tuple[str, ...]:
    """Refuse while running domains (with `stopped_count`, any domains) use the pool: POOL_IN_USE.

    The answer warns of defined domains that are not running.
    """
    disks = await host.fresh_disks()
    require_complete(disks.missing, f"pool {entry.pool.name!r}")
    users = disks.users_of_pool(entry.pool.name)
    if stopped_count and users:
        raise _pool_in_use(entry, "domains use", users)
    _refuse_running(entry, users)
    return pool_warnings(users)


async def check_dead_pool_not_in_use(host: Host, entry: PoolEntry) -> tuple[str, ...]:
    """As check_pool_not_in_use, for a pool whose share cannot be looked at: its disks are found by their paths' names.

    What was seen of a running domain while the share answered counts too: what its disks lie on cannot be read now.
    """
    reading = await host.hypervisor.read_domains()
    require_complete(reading.missing, f"pool {entry.pool.name!r}")
    before = host.registry.snapshot.disks
    links = host.quarantine.mounts.links
    disks = await resolve_disks(reading, host.registry.snapshot, host.files, links, host.clock.now_s())
    running = {one.domain_uuid for one in reading.references if one.domain_state is DomainState.ACTIVE}
    seen = before.users_of_pool(entry.pool.name) if before is not None else ()
    users = disks.users_of_pool(entry.pool.name)
    _refuse_running(entry, (*users, *(disk for disk in seen if disk.reference.domain_uuid in running)))
    return pool_warnings(users)


def _refuse_running(entry: PoolEntry, users: Iterable[DomainDisk]) -> None:
    if blocking := [disk for disk in users if disk.reference.domain_state is DomainState.ACTIVE]:
        raise _pool_in_use(entry, "running domains use", blocking)


def _pool_in_use(entry: PoolEntry, who: str, users: Iterable[DomainDisk]) -> ModelError:
    domains = _domains(users)
    return ModelError(
        Reason.POOL_IN_USE,
        f"{who} pool {entry.pool.name!r}: {domains}",
        metadata={"pool": entry.pool.name, "domains": domains},
    )


def pool_warnings(users: Iterable[DomainDisk]) -> tuple[str, ...]:
    """What a person should know who stops or forgets a pool."""
    stopped = [disk for disk in users if disk.reference.domain_state is DomainState.INACTIVE]
    return (f"domains that are defined but not running use this pool: {_domains(stopped)}",) if stopped else ()


async def check_volume_not_in_use(host: Host, entry: PoolEntry, record: VolumeRecord) -> None:
    """Refuse while any domain, running or not, or another volume's backing chain uses the volume: VOLUME_IN_USE."""
    users = [_described(disk) for disk in await _users_of(host, entry, record)]
    users += await _lying_on(host, Place(pool=entry.pool.name, volume=record.facts.name))
    if users:
        raise _volume_in_use(entry, record, users)


async def check_volume_may_grow(host: Host, entry: PoolEntry, record: VolumeRecord) -> None:
    """Refuse while running domains use the volume: VOLUME_IN_USE."""
    if users := _running(await _users_of(host, entry, record)):
        raise _volume_in_use(entry, record, users, "; grow it through the hypervisor, which tells the guest")


async def check_volume_may_shrink(host: Host, entry: PoolEntry, record: VolumeRecord) -> tuple[str, ...]:
    """Refuse while running domains or another volume's backing chain use the volume: VOLUME_IN_USE.

    The answer warns of defined domains that are not running.
    """
    disks = await _users_of(host, entry, record)
    users = _running(disks) + await _lying_on(host, Place(pool=entry.pool.name, volume=record.facts.name))
    if users:
        raise _volume_in_use(entry, record, users)
    return (f"domains that are defined but not running use this volume: {_domains(disks)}",) if disks else ()


async def _users_of(host: Host, entry: PoolEntry, record: VolumeRecord) -> Sequence[DomainDisk]:
    return _users_in(await host.fresh_disks(), entry, record)


def _users_in(disks: DomainDisks, entry: PoolEntry, record: VolumeRecord) -> Sequence[DomainDisk]:
    require_complete(disks.missing, f"volume {record.facts.name!r}")
    return disks.users_of_volume(entry.pool.name, record.facts.name)


def _running(disks: Iterable[DomainDisk]) -> list[str]:
    return [_described(disk) for disk in disks if disk.reference.domain_state is DomainState.ACTIVE]


def _volume_in_use(
    entry: PoolEntry, record: VolumeRecord, users: Iterable[str], advice: str = "", *, how: str = "used by"
) -> ModelError:
    pool, volume, shown = entry.pool.name, record.facts.name, shortened(sorted(set(users)))
    return ModelError(
        Reason.VOLUME_IN_USE,
        f"volume {pool}/{volume} is {how} {shown}{advice}",
        metadata={"pool": pool, "volume": volume, "users": shown},
    )


async def check_volume_not_written(host: Host, entry: PoolEntry, record: VolumeRecord) -> tuple[str, ...]:
    """Refuse while running domains may write to the volume: VOLUME_IN_USE.

    The answer names the domains that may do so once they are started. It is for a copy, in whose midst a domain may be
    started anyway: a crowd of them shares what was read. What destroys a volume is decided by what is so now.
    """
    users = _users_in(await host.fresh_disks_with(entry, record), entry, record)
    writers = [disk for disk in users if not disk.reference.read_only]
    if running := _running(writers):
        raise _volume_in_use(entry, record, running, ": a copy would be torn", how="written to by")
    return tuple(sorted({disk.reference.domain for disk in writers}))


async def _lying_on(host: Host, base: Place) -> list[str]:
    """The volumes whose backing file is at a place, by whatever path they name it."""
    pools = host.registry.snapshot.pools
    upper, missing = await _backed(host, pools.values())
    # Where a path led while its share answered holds on when that is dead.
    links = host.quarantine.mounts.links
    places = Places(pools, host.files, links.watch.table())
    missing += await places.look() if upper else []
    users: list[str] = []
    for path, names in upper.items():
        try:
            found = (await places.find(path)).places
        except ModelError as error:
            real = links.follow(path)
            found = places.by_name(real)
            if real == clean_path(path):
                missing.append(error.message)
        users += names if base in found else []
    require_complete(() if users else missing, f"volume {base.volume!r}")
    return users


async def _backed(host: Host, entries: Iterable[PoolEntry]) -> tuple[Mapping[str, list[str]], list[str]]:
    """The volumes that lie on files now, by the paths of these, and why others may be missing, a sentence each."""
    backed: dict[str, list[str]] = {}
    missing: list[str] = []

    async def note(entry: PoolEntry) -> None:
        pool = entry.pool.name
        try:
            for volume, path in (await host.looker.backing_files.of(entry)).items():
                backed.setdefault(path, []).append(f"volume {pool}/{volume} (backing)")
        except ModelError as error:
            missing.append(f"pool {pool}: {error.message}")

    await asyncio.gather(*map(note, entries))
    return backed, missing


def _described(disk: DomainDisk) -> str:
    reference = disk.reference
    return f"domain {reference.domain} ({reference.role.lower()}, {reference.domain_state.lower()})"


def _domains(disks: Iterable[DomainDisk]) -> str:
    return shortened(sorted({disk.reference.domain for disk in disks}))


def shortened(names: list[str]) -> str:
    """Name the first of some users, and count the others."""
    more = len(names) - SHOWN_USERS
    return ", ".join(names[:SHOWN_USERS]) + (f" and {more} more" if more > 0 else "")
