"""What one host contributes to the inventory, as it was answered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from poolfleet.inventory.model import HostStatus
from poolfleet.types.disk import DomainDisks
from poolfleet.types.errors import PoolfleetError
from poolfleet.types.pool import Pool, Storage, StorageIdSource
from poolfleet.types.volume import Volume, VolumeListing

SHARES = ("nfs:", "cifs:", "ceph:", "gluster:")
"""How the ids of file systems begin that are shares."""
ON_SERVERS = (*SHARES, "host:")
"""How those begin that lie on a server, shared or not."""
DEVICE_POOLS = frozenset({"logical", "zfs", "disk", "iscsi", "scsi", "mpath"})
"""Types of pools whose volumes are devices of their host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSeen:
    """One host's answers. A part that could not be had is empty or None, and `error` says why."""

    host: str
    status: HostStatus
    site: str | None = None
    """The host's label; None: it has none."""
    agent_id: str = ""
    pools: tuple[Pool, ...] = ()
    volumes: VolumeListing | None = None
    disks: DomainDisks | None = None
    error: PoolfleetError | None = None
    as_of: datetime | None = None
    age_s: float | None = None

    def volumes_by_pool(self) -> dict[str, list[Volume]]:
        """The volumes under the names of their pools."""
        found: defaultdict[str, list[Volume]] = defaultdict(list)
        for volume in self.volumes.volumes if self.volumes else ():
            found[volume.pool].append(volume)
        return dict(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSeen:
    """One pool of one host, with its volumes."""

    host: HostSeen
    pool: Pool
    volumes: tuple[Volume, ...] = ()

    @property
    def place(self) -> tuple[str, str]:
        """Host and pool: what tells it from every other."""
        return self.host.host, self.pool.name

    @property
    def storage(self) -> Storage:
        """What it lies on; where its agent knows none, the pool stands for itself."""
        return self.pool.storage or Storage(
            id=f"pool:{self.host.agent_id or self.host.host}:{self.pool.uuid or self.pool.name}",
            source=StorageIdSource.UNKNOWN,
        )

    @property
    def spellings(self) -> tuple[str, ...]:
        """Every name that its host knows for the storage, the id first."""
        return self.storage.id, *self.storage.aliases

    @property
    def age_order(self) -> tuple[bool, float, tuple[str, str]]:
        """Sorts the freshest first. By age and not by time: hosts' clocks differ."""
        return self.pool.age_s is None, self.pool.age_s or 0.0, self.place


def every_path_is_found(pools: Iterable[PoolSeen]) -> bool:
    """Whether the agent of a host that has a storage by these pools finds its volumes by whatever path.

    Devices, and files on disks of its own, it knows from any side. What lies on a server it compares by name alone; and
    a server has several, so a mount beside the pool's may be of the same share.
    """
    started = [seen.pool for seen in pools if seen.pool.active]
    return bool(started) and all(
        pool.type in DEVICE_POOLS or (pool.filesystem_id and not pool.filesystem_id.startswith(ON_SERVERS))
        for pool in started
    )
