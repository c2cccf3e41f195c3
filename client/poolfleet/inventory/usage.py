"""Who uses one volume, on whichever host, and what keeps that from being told: asked before the volume is changed.

The agent that acts knows all of its own host, as far as it has looked. Here is what it cannot know: the domains of
other hosts, files of storages that it does not have, and those that other hosts have made beside the volume.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from poolfleet.inventory.disks import any_disk, user_of, users
from poolfleet.inventory.hosts import no_answer, unaddressable, unread_domains
from poolfleet.inventory.identity import Joined
from poolfleet.inventory.model import VolumeUser
from poolfleet.inventory.seen import HostSeen, PoolSeen, every_path_is_found
from poolfleet.inventory.signs import strangers
from poolfleet.types.disk import DiskRole, DomainDisk

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


def domains_using(
    target: Target, hosts: Sequence[HostSeen], counts: Callable[[DomainDisk], bool] = any_disk
) -> list[VolumeUser]:
    """The domains of all hosts that refer to the volume, or may, by disks that count: each once."""
    found = set(users(hosts, [target.storage], counts).get((target.storage.storage_id, target.name), ()))
    for host in hosts:
        for disk in host.disks.disks if host.disks else ():
            if not disk.volume and counts(disk) and target.may_be(disk.path, host.host):
                found.add(user_of(host, disk))
    return sorted(found)


def untold(target: Target, hosts: Sequence[HostSeen]) -> list[str]:
    """Why domains that use the volume may be missing, a sentence each."""
    lacks = [line for host in hosts for line in [*no_answer(host)] or unread_domains(host)]
    lacks += [line for seen in target.storage.pools for line in unaddressable(seen.host, seen.pool)]
    lacks += strangers(target.storage, {host.agent_id for host in hosts})
    if target.storage.conflict:
        lacks.append(f"{target.storage.storage_id}: identity conflict: {target.storage.conflict}")
    return lacks


def elsewhere(target: Target, storages: Iterable[Joined]) -> Mapping[str, list[str]]:
    """Pools to be asked, by host, for files that lie on the volume: one of each storage.

    The acting host's, where it has the storage: it has not yet seen what others have just made there. Else that of a
    host that has the volume's storage too, if there is any: it can follow paths.
    """
    asked: defaultdict[str, list[str]] = defaultdict(list)
    having = {seen.host.host for seen in target.storage.started}
    for storage in storages:
        own = [seen for seen in storage.started if seen.host.host == target.acting]
        started = own if own or storage is target.storage else storage.started
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
        if storage is not target.storage and not storage.local_to and not storage.started
        for seen in storage.pools[:1]
        if seen.pool.type in _IMAGE_POOLS
    ]


def described(user: VolumeUser) -> str:
    """Such as `domain web on kvm3 (disk, inactive)`."""
    role = "" if user.role is DiskRole.UNKNOWN else f"{user.role}, "
    return f"domain {user.domain} on {user.host} ({role}{user.state})"
