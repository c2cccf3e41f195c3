"""Who uses one volume, on whichever host, and what keeps that from being told: asked before the volume is changed.

The agent that acts knows all of its own host, as far as it has looked. Here is what it cannot know: the domains of
other hosts, files of storages that it does not have, and those that other hosts have made beside the volume.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from poolfleet.inventory.disks import users
from poolfleet.inventory.identity import Joined
from poolfleet.inventory.model import HostStatus, VolumeUser
from poolfleet.inventory.seen import HostSeen, PoolSeen, every_path_is_found
from poolfleet.types.disk import DiskRole, DomainDisk

_WELL = frozenset({HostStatus.OK, HostStatus.STALE, HostStatus.DUPLICATE})

# Of whose volumes libvirt tells what they lie on, other than on one of the same pool.
_IMAGE_POOLS = frozenset({"dir", "fs", "netfs", "vstorage", "gluster"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A volume of a storage, and the host that acts on it."""

    storage: Joined
    name: str
    acting: str

    def pools_of(self, host: str) -> list[PoolSeen]:
        """The pools by which a host has the storage."""
        return [seen for seen in self.storage.pools if seen.host.host == host]

    def may_be(self, path: str, host: str) -> bool:
        """Whether a path of a host that no pool there is known to have may lead to the volume: of that name alone.

        That it does not only an agent can tell that finds the volume by every path.
        """
        return posixpath.basename(path) == self.name and not every_path_is_found(self.pools_of(host))


def domains_using(target: Target, hosts: Sequence[HostSeen]) -> list[VolumeUser]:
    """The domains of all hosts that refer to the volume, or may: each once."""
    found = set(users(hosts, [target.storage]).get((target.storage.storage_id, target.name), ()))
    for host in hosts:
        for disk in host.disks.disks if host.disks else ():
            if not disk.volume and target.may_be(disk.path, host.host):
                found.add(_user(host, disk))
    return sorted(found)


def untold(target: Target, hosts: Iterable[HostSeen]) -> list[str]:
    """Why domains that use the volume may be missing, a sentence each."""
    lacks = [line for host in hosts for line in _untold_of(host)]
    lacks += [
        f"{seen.host.host}: {seen.pool.unaddressable_count} files of {seen.pool.name} cannot be addressed"
        for seen in target.storage.pools
        if seen.pool.unaddressable_count
    ]
    if target.storage.conflict:
        lacks.append(f"{target.storage.storage_id}: identity conflict: {target.storage.conflict}")
    return lacks


def _untold_of(host: HostSeen) -> Iterator[str]:
    if host.status not in _WELL:
        yield f"{host.host}: {host.status}: {host.error.message if host.error else 'no answer'}"
    elif host.disks is not None and not host.disks.complete:
        yield f"{host.host}: some domains could not be read: {'; '.join(host.disks.missing) or 'no reason given'}"


def elsewhere(target: Target, storages: Iterable[Joined]) -> Mapping[str, list[str]]:
    """Pools to be asked, by host, for files that lie on the volume: its own, and each that the acting host lacks, once.

    Of the hosts that have such a storage one is asked that has the volume's too, if there is any: it can follow paths.
    Of the volume's own it is the acting host, which has not yet seen what others have just made there.
    """
    asked: defaultdict[str, list[str]] = defaultdict(list)
    having = {seen.host.host for seen in target.storage.pools if seen.pool.active}
    for storage in storages:
        started = [seen for seen in storage.pools if seen.pool.active]
        if storage is target.storage:
            started = [seen for seen in started if seen.host.host == target.acting]
        elif any(seen.host.host == target.acting for seen in started):
            continue
        if started:
            best = min(started, key=lambda seen: (seen.host.host not in having, seen.place))
            asked[best.host.host].append(best.pool.name)
    return asked


def not_started(target: Target, storages: Iterable[Joined]) -> list[str]:
    """The shared storages that no host has started, a sentence each: a file that lies on the volume may lie there.

    Without that of the volume itself, of which the acting host says so; and without a host's own, of which some host
    always has one that is not started: guests whose disks lie there are known all the same.
    """
    return [
        f"{seen.host.host}: pool {seen.pool.name} is not started, and what lies in it is not known"
        for storage in storages
        if storage is not target.storage
        and not storage.local_to
        and not any(seen.pool.active for seen in storage.pools)
        for seen in storage.pools[:1]
        if seen.pool.type in _IMAGE_POOLS
    ]


def described(user: VolumeUser) -> str:
    """Such as `domain web on kvm3 (disk, inactive)`."""
    role = "" if user.role is DiskRole.UNKNOWN else f"{user.role}, "
    return f"domain {user.domain} on {user.host} ({role}{user.state})"


def _user(host: HostSeen, disk: DomainDisk) -> VolumeUser:
    return VolumeUser(host=host.host, domain=disk.domain, state=disk.domain_state, role=disk.role)
