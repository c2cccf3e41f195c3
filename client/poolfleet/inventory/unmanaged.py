"""Files and devices that domains use and that no pool has: whoever looks after pools alone does not know of them.

An agent finds a file on its host's own disks in the pools there, by whatever path, down the backing chains. That
another host's pools have it, or a server, is told by its name alone; and what could not be read may have it as well.
Then it is not said.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from poolfleet.inventory.disks import user_of
from poolfleet.inventory.hosts import lacking, lacking_of_pools, not_heard
from poolfleet.inventory.identity import Joined
from poolfleet.inventory.model import UnmanagedDisk
from poolfleet.inventory.seen import HostSeen, every_path_is_found
from poolfleet.types.disk import DiskRole, DomainDisk

# What such a pool has while it is not started only its devices could tell.
_DEVICE_POOLS = frozenset({"disk", "iscsi", "scsi", "mpath"})
# What has a path and is stored; a socket has a path too.
_KINDS = frozenset({"file", "block", "dir"})


def unmanaged(hosts: Sequence[HostSeen], storages: Sequence[Joined]) -> Iterator[UnmanagedDisk]:
    """Each of them once for its host, in order, with who uses it there, and with why it may be in a pool after all."""
    everywhere = tuple(_anywhere(hosts, storages))
    names = _names_on_shared(storages)
    for host in hosts:
        doubts = tuple(dict.fromkeys((*lacking(host), *everywhere)))
        found: defaultdict[str, list[DomainDisk]] = defaultdict(list)
        for disk in host.disks.disks if host.disks else ():
            # The firmware's code comes with the hypervisor: it is nobody's data.
            if not disk.volume and disk.path and disk.source_kind in _KINDS and disk.role is not DiskRole.LOADER:
                found[disk.path].append(disk)
        for path, disks in sorted(found.items()):
            namesakes = names.get(posixpath.basename(path), ())
            yield UnmanagedDisk(
                host=host.host,
                path=path,
                source_kind=disks[0].source_kind,
                used_by=tuple(sorted({user_of(host, disk) for disk in disks})),
                doubts=(*doubts, *_stopped(host, disks[0]), *_may_be(host, path, namesakes)),
            )


def _anywhere(hosts: Iterable[HostSeen], storages: Iterable[Joined]) -> Iterator[str]:
    """What is lacking and may have a file of any host: whole hosts, and what is shared."""
    local = {seen.place for storage in storages if storage.local_to for seen in storage.pools}
    for host in hosts:
        yield from not_heard(host)
        yield from (line for pool, line in lacking_of_pools(host) if (host.host, pool) not in local)
    for storage in storages:
        if not storage.local_to and not storage.started:
            yield f"{storage.storage_id}: no host has it started"


def _names_on_shared(storages: Iterable[Joined]) -> Mapping[str, list[Joined]]:
    """The storages that may be shared, by the names of their volumes."""
    found: defaultdict[str, list[Joined]] = defaultdict(list)
    for storage in storages:
        if not storage.local_to:
            for name in {volume.name for seen in storage.pools for volume in seen.volumes}:
                found[name].append(storage)
    return found


def _stopped(host: HostSeen, disk: DomainDisk) -> Iterator[str]:
    for pool in host.pools if disk.source_kind == "block" else ():
        if not pool.active and pool.type in _DEVICE_POOLS:
            yield f"{host.host}: pool {pool.name} is not started, and what it has is not known"


def _may_be(host: HostSeen, path: str, namesakes: Iterable[Joined]) -> Iterator[str]:
    for storage in namesakes:
        if not every_path_is_found(seen for seen in storage.pools if seen.host is host):
            yield f"{host.host}: {path} may be the volume of that name on {storage.storage_id}"
