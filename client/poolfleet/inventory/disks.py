"""Who uses which volume: the domain disks of all hosts, brought to the storages that their hosts' pools lie on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from poolfleet.inventory.identity import Joined
from poolfleet.inventory.model import VolumeUser
from poolfleet.inventory.seen import HostSeen
from poolfleet.types.disk import DomainDisk

VolumeKey = tuple[str, str]
"""Id of a storage, and name of a volume on it."""


def user_of(host: HostSeen, disk: DomainDisk) -> VolumeUser:
    """The domain that a host tells of, as a user."""
    return VolumeUser(host=host.host, domain=disk.domain, state=disk.domain_state, role=disk.role)


def any_disk(disk: DomainDisk) -> bool:
    """Count every disk as use."""
    return True


def users(
    hosts: Iterable[HostSeen], storages: Iterable[Joined], counts: Callable[[DomainDisk], bool] = any_disk
) -> Mapping[VolumeKey, list[VolumeUser]]:
    """The users of each volume that has any, in order, each once: a domain that has a volume twice is one user.

    Found on one host, a user counts for every host that sees the storage, under whatever path. `counts`: which disks
    make one.
    """
    by_pool: dict[tuple[str, str], str] = {}
    by_id: dict[tuple[str, str], str] = {}
    for storage in storages:
        for seen in storage.pools:
            by_pool[seen.place] = storage.storage_id
            by_id[seen.host.host, seen.storage.id] = storage.storage_id
    found: defaultdict[VolumeKey, set[VolumeUser]] = defaultdict(set)
    for host in hosts:
        for disk in host.disks.disks if host.disks else ():
            storage_id = by_pool.get((host.host, disk.pool)) or by_id.get((host.host, disk.storage_id))
            if storage_id and disk.volume and counts(disk):
                found[storage_id, disk.volume].add(user_of(host, disk))
    return {key: sorted(value) for key, value in found.items()}
