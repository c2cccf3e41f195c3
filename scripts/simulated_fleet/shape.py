"""Who is in a simulated fleet, and which storages each host sees. Pure, and the same whenever it is asked again."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

HOSTS_OF_A_CLUSTER = 20
VOLUMES_OF_A_GUEST = 20
_NAMES = uuid.UUID("4f0a2f3c-6a0e-4c57-9a45-0d3c1b6f2a11")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How large a fleet is. `volumes` and `guests` are each host's; `shared`: the part of the volumes on shares.

    Of those, one half lies on a share that all hosts mount, the other on one for each twenty hosts.
    """

    hosts: int
    volumes: int
    shared: float
    guests: int
    seed: int = 1

    @property
    def host_names(self) -> list[str]:
        """All hosts, in their order."""
        return [self.host_name(number) for number in range(self.hosts)]

    def host_name(self, host: int) -> str:
        """The host of that number, from 0."""
        return f"host{host + 1:0{len(str(self.hosts))}}"

    @property
    def different_volumes(self) -> int:
        """How many there are, those of a share counted once."""
        seen = {storage.key: storage.volumes for host in range(self.hosts) for storage in self.storages(host)}
        return sum(seen.values())

    def storages(self, host: int) -> Iterator[StoragePlan]:
        """What a host sees; a storage of no volumes is left out."""
        on_shares = round(self.volumes * self.shared)
        everywhere = on_shares // 2
        plans = (
            self._cluster(host // HOSTS_OF_A_CLUSTER, on_shares - everywhere),
            StoragePlan(
                key=f"local of {host}",
                pool="default",
                target="/var/lib/libvirt/images",
                volumes=self.volumes - on_shares,
                hosts=range(host, host + 1),
            ),
            StoragePlan(
                key="everywhere",
                pool="shared",
                target="/srv/shared",
                server="filer.example",
                export="/export/shared",
                volumes=everywhere,
                hosts=range(self.hosts),
            ),
        )
        return (plan for plan in plans if plan.volumes)

    def _cluster(self, cluster: int, volumes: int) -> StoragePlan:
        first = cluster * HOSTS_OF_A_CLUSTER
        return StoragePlan(
            key=f"cluster {cluster}",
            pool="cluster",
            target="/srv/cluster",
            server="filer.example",
            export=f"/export/cluster{cluster + 1:03}",
            volumes=volumes,
            hosts=range(first, min(first + HOSTS_OF_A_CLUSTER, self.hosts)),
        )

    def uuid_of(self, what: str) -> str:
        """The UUID of whatever has that description."""
        return str(uuid.uuid5(_NAMES, f"{self.seed} {what}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class StoragePlan:
    """One storage: the hosts that see it, all as a pool of this name at this target. No server: it is a local one."""

    key: str
    pool: str
    target: str
    volumes: int
    hosts: Sequence[int]
    server: str = ""
    export: str = ""
