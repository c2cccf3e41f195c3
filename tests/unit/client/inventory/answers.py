"""Answers of hosts, as small as a test of the inventory needs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from poolfleet.inventory.model import HostStatus
from poolfleet.inventory.seen import HostSeen, PoolSeen
from poolfleet.types.disk import DiskRole, DomainDisk, DomainDisks, DomainState
from poolfleet.types.pool import Pool, PoolState, Storage, StorageFingerprint, StorageIdSource
from poolfleet.types.pool_spec import PoolTarget
from poolfleet.types.snapshot import Revision
from poolfleet.types.volume import UnreadPool, Volume, VolumeListing

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
REVISION = Revision(epoch="e", sequence=1)
GIB = 1 << 30


def configured(storage_id: str, *aliases: str) -> Storage:
    return Storage(id=storage_id, source=StorageIdSource.CONFIGURED, aliases=aliases)


def derived(
    storage_id: str, *aliases: str, root: int | None = None, files: Mapping[str, int] = MappingProxyType({})
) -> Storage:
    return Storage(id=storage_id, source=StorageIdSource.DERIVED, aliases=aliases, fingerprint=fingerprint(root, files))


def marked(storage_id: str, *aliases: str, root: int | None = None, files: Mapping[str, int] | None = None) -> Storage:
    return Storage(
        id=storage_id, source=StorageIdSource.MARKER, aliases=aliases, fingerprint=fingerprint(root, files or {})
    )


def fingerprint(root: int | None, files: Mapping[str, int]) -> StorageFingerprint | None:
    return None if root is None else StorageFingerprint(root_inode=root, files=tuple(files.items()))


def pool(
    name: str,
    storage: Storage | None = None,
    *,
    type: str = "dir",  # noqa: A002 (libvirt's word)
    target: str = "",
    capacity_bytes: int | None = 100 * GIB,
    age_s: float = 1.0,
    filesystem_id: str = "",
    unaddressable_count: int = 0,
) -> Pool:
    return Pool(
        name=name,
        uuid=f"uuid-of-{name}",
        type=type,
        state=PoolState.RUNNING,
        storage=storage,
        target=PoolTarget(path=target or f"/{name}"),
        capacity_bytes=capacity_bytes,
        allocation_bytes=None if capacity_bytes is None else capacity_bytes // 4,
        available_bytes=None if capacity_bytes is None else capacity_bytes - capacity_bytes // 4,
        filesystem_id=filesystem_id,
        unaddressable_count=unaddressable_count,
        as_of=NOON - timedelta(seconds=age_s),
        age_s=age_s,
    )


def volume(pool_name: str, name: str, *, capacity_bytes: int = GIB, path: str = "", content_id: str = "") -> Volume:
    path = path or f"/{pool_name}/{name}"
    return Volume(
        pool=pool_name,
        name=name,
        key=path,
        path=path,
        type="file",
        format="qcow2",
        capacity_bytes=capacity_bytes,
        allocation_bytes=capacity_bytes // 2,
        content_id=content_id,
    )


def disk(
    domain: str,
    pool_name: str,
    volume_name: str,
    *,
    storage_id: str = "",
    state: DomainState = DomainState.ACTIVE,
    role: DiskRole = DiskRole.DISK,
    target: str = "vda",
) -> DomainDisk:
    return DomainDisk(
        domain=domain,
        domain_uuid=f"uuid-of-{domain}",
        domain_state=state,
        role=role,
        target=target,
        source_kind="file",
        path=f"/{pool_name}/{volume_name}",
        storage_id=storage_id,
        pool=pool_name,
        volume=volume_name,
        read_only=False,
        shared=False,
        format="qcow2",
        depth=0,
    )


def seen(
    host: str,
    pools: Sequence[Pool] = (),
    volumes: Sequence[Volume] = (),
    disks: Sequence[DomainDisk] = (),
    *,
    site: str | None = None,
    agent_id: str | None = None,
    status: HostStatus = HostStatus.OK,
    unread_pools: Sequence[UnreadPool] = (),
    disks_missing: Sequence[str] = (),
) -> HostSeen:
    return HostSeen(
        host=host,
        site=site,
        agent_id=f"agent-of-{host}" if agent_id is None else agent_id,
        status=status,
        pools=tuple(pools),
        volumes=VolumeListing(
            volumes=tuple(volumes), unread_pools=tuple(unread_pools), revision=REVISION, as_of=NOON, age_s=1.0
        ),
        disks=DomainDisks(
            disks=tuple(disks),
            complete=not disks_missing,
            missing=tuple(disks_missing),
            revision=REVISION,
            as_of=NOON,
            age_s=1.0,
        ),
        as_of=NOON,
        age_s=1.0,
    )


def pool_seen(host: str, one: Pool, *names: str, site: str | None = None) -> PoolSeen:
    return PoolSeen(
        host=seen(host, [one], site=site), pool=one, volumes=tuple(volume(one.name, name) for name in names)
    )
