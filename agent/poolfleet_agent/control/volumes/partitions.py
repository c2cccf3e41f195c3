"""Volumes of disk pools, which are partitions: libvirt names them, and cannot remove all of them."""

import posixpath
from dataclasses import dataclass

from poolfleet_agent.control.host import Host
from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.allowed_paths import is_within
from poolfleet_agent.model.partition import check_new_partition, libvirt_can_remove, partition_number
from poolfleet_agent.model.pool_source import DiskSource


@dataclass(frozen=True, slots=True)
class _Disk:
    stated: str
    path: str

    @property
    def name(self) -> str:
        return posixpath.basename(self.path)


def holds_partitions(host: Host, pool: str) -> bool:
    """Whether the volumes of a pool are partitions, as far as is known of it."""
    entry = host.registry.snapshot.pools.get(pool)
    return entry is not None and isinstance(entry.pool.definition.source, DiskSource)


async def check_partition_name(host: Host, entry: PoolEntry, name: str) -> None:
    """Refuse for a new volume of a disk pool what its partition will not be called: INVALID_FIELD."""
    source = entry.pool.definition.source
    if isinstance(source, DiskSource) and (disk := await _disk(host, source)) is not None:
        check_new_partition(disk.name, name, entry.volumes, source.format)


async def removed_partition(host: Host, entry: PoolEntry, path: str, *, timeout_s: float) -> bool:
    """Remove a partition that libvirt cannot, and let it see that; whether it was such a one. VOLUME_IN_USE."""
    source = entry.pool.definition.source
    if not isinstance(source, DiskSource) or (disk := await _disk(host, source)) is None:
        return False
    number = partition_number(disk.name, posixpath.basename(await host.files.real_path(path)))
    if number is None or libvirt_can_remove(posixpath.basename(disk.stated), disk.name):
        return False
    await host.partitions.remove(disk.path, number, timeout_s=timeout_s)
    await host.refreshes.ask(entry.pool.name)
    return True


async def _disk(host: Host, source: DiskSource) -> _Disk | None:
    """The disk of a pool; None: it is one of the device mapper's, whose partitions are called as their maker likes."""
    path = await host.files.real_path(source.device)
    is_mapped = is_within(source.device, "/dev/mapper") or posixpath.basename(path).startswith("dm-")
    return None if is_mapped else _Disk(source.device, path)
