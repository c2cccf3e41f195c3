"""Makes one inventory of what many hosts answered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from poolfleet.inventory.disks import VolumeKey, users
from poolfleet.inventory.duplicates import duplicates
from poolfleet.inventory.hosts import each_agent_once, lacking, listed
from poolfleet.inventory.identity import Joined, join
from poolfleet.inventory.model import (
    Inventory,
    InventoryStorage,
    InventoryVolume,
    StoragePool,
    VolumePlace,
    VolumeUser,
)
from poolfleet.inventory.seen import SHARES, HostSeen, PoolSeen
from poolfleet.inventory.signs import strangers
from poolfleet.inventory.unmanaged import unmanaged
from poolfleet.types.volume import Volume


def merge(answers: Iterable[HostSeen]) -> Inventory:
    """Merge the hosts' answers, whatever their order: each storage once, and each volume of a storage once.

    Raises nothing: what is contradictory or absent is said in `missing`, and by `identity_conflict`.
    """
    hosts = each_agent_once(answers)
    pools = [
        PoolSeen(host=host, pool=pool, volumes=tuple(volumes.get(pool.name, ())))
        for host in hosts
        for volumes in [host.volumes_by_pool()]
        for pool in host.pools
    ]
    storages = join(pools)
    used = users(hosts, storages)
    volumes = tuple(volume for storage in storages for volume in _volumes(storage, used))
    conflicts = [
        (storage.storage_id, f"{storage.storage_id}: identity conflict: {storage.conflict}")
        for storage in storages
        if storage.conflict
    ]
    agent_ids = {host.agent_id for host in hosts}
    unasked = (line for storage in storages for line in strangers(storage, agent_ids))
    return Inventory(
        hosts=tuple(listed(host) for host in hosts),
        storages=tuple(_storage(storage) for storage in storages),
        volumes=volumes,
        unmanaged=tuple(unmanaged(hosts, storages)),
        duplicates=tuple(duplicates(volumes, conflicts)),
        missing=(*(line for host in hosts for line in lacking(host)), *(words for _, words in conflicts), *unasked),
    )


def _storage(storage: Joined) -> InventoryStorage:
    # Its sizes go together: three from three hosts would be of no moment at all.
    sized = next((seen.pool for seen in storage.pools if seen.pool.capacity_bytes is not None), storage.pools[0].pool)
    pools = [seen.pool for seen in storage.pools]
    return InventoryStorage(
        storage_id=storage.storage_id,
        source=storage.source,
        type=",".join(sorted({pool.type for pool in pools})),
        identity_conflict=bool(storage.conflict),
        capacity_bytes=sized.capacity_bytes,
        allocation_bytes=sized.allocation_bytes,
        available_bytes=sized.available_bytes,
        pools=tuple(
            sorted(
                StoragePool(
                    host=seen.host.host, pool=seen.pool.name, target=seen.pool.target.path if seen.pool.target else ""
                )
                for seen in storage.pools
            )
        ),
        aliases=storage.aliases,
        filesystems=frozenset(_filesystem(seen) for seen in storage.pools if seen.pool.filesystem_id),
        volume_count=next((pool.volume_count for pool in pools if pool.volume_count is not None), None),
        as_of=min((pool.as_of for pool in pools if pool.as_of), default=None),
        age_s=max((pool.age_s for pool in pools if pool.age_s is not None), default=None),
    )


def _filesystem(seen: PoolSeen) -> tuple[str, str]:
    """The disk that a pool lies on, and where its name holds: on that host, or for a share at the whole site."""
    share = seen.pool.filesystem_id.startswith(SHARES)
    return (seen.host.site or "") if share else (seen.host.agent_id or seen.host.host), seen.pool.filesystem_id


def _volumes(storage: Joined, used: Mapping[VolumeKey, list[VolumeUser]]) -> Iterator[InventoryVolume]:
    sightings: defaultdict[str, list[tuple[PoolSeen, Volume]]] = defaultdict(list)
    for seen in storage.pools:
        for volume in seen.volumes:
            sightings[volume.name].append((seen, volume))
    for name, found in sorted(sightings.items()):
        freshest = found[0][1]  # as the pools are
        yield InventoryVolume(
            storage_id=storage.storage_id,
            name=name,
            format=freshest.format,
            capacity_bytes=freshest.capacity_bytes,
            allocation_bytes=freshest.allocation_bytes,
            hosts=tuple(
                sorted(VolumePlace(host=seen.host.host, pool=seen.pool.name, path=one.path) for seen, one in found)
            ),
            used_by=tuple(used.get((storage.storage_id, name), ())),
            # Of agents of several versions only the newer tell it.
            content_id=freshest.content_id or next((one.content_id for _, one in found if one.content_id), ""),
        )
