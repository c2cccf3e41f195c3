"""What comes in of a watched inventory, and where a watch begins."""

from __future__ import annotations

from collections.abc import Collection

from poolfleet.agent.convert.hosts import disk
from poolfleet.agent.convert.pools import pool
from poolfleet.agent.convert.rows import disk_rows, pool_row, volume_rows
from poolfleet.agent.convert.scalars import Numbers, moment, revision, seconds
from poolfleet.agent.convert.volumes import unread_pool, volume
from poolfleet.types.inventory import (
    Bookmark,
    DomainChange,
    InventoryBatch,
    PoolChange,
    PoolRow,
    ResumePoint,
    ResyncReason,
    VolumeRow,
)
from poolfleet.types.pool import Pool
from poolfleet.types.volume import Volume
from poolfleet.v1 import inventory_service_pb2 as pb
from poolfleet.v1 import snapshot_pb2, volume_pb2

_REASONS = Numbers(pb.Resync.Reason.items(), "REASON_", ResyncReason)


def batch(message: pb.WatchInventoryResponse) -> InventoryBatch:
    """One message of the stream."""
    pools = tuple(
        _pool_change(one, pool=pool(one.pool) if one.HasField("pool") else None, volumes=_volumes(one))
        for one in message.pools
    )
    return _batch(message, pools, tuple(map(_domain_change, message.domains)))


def row_batch(message: pb.WatchInventoryResponse) -> InventoryBatch:
    """One message of the stream as rows; those of volumes and disks are made where they are needed."""
    pools = tuple(
        _pool_change(one, row=pool_row(one.pool) if one.HasField("pool") else None, rows=volume_rows(one.volumes))
        for one in message.pools
    )
    return _batch(message, pools, tuple(map(_domain_rows, message.domains)))


def write_resume(point: ResumePoint, request: pb.WatchInventoryRequest) -> None:
    """Ask to go on from a state."""
    at = point.bookmark.revision
    request.resume_revision.CopyFrom(snapshot_pb2.Revision(epoch=at.epoch, sequence=at.sequence))
    request.resume_filter_digest = point.bookmark.filter_digest
    for pool_uuid, digest in point.digests.items():
        request.known.add(pool_uuid=pool_uuid, digest=digest)


def _batch(
    message: pb.WatchInventoryResponse, pools: tuple[PoolChange, ...], domains: tuple[DomainChange, ...]
) -> InventoryBatch:
    resync = message.HasField("resync")
    return InventoryBatch(
        resync=_REASONS[message.resync.reason] if resync else None,
        pools=pools,
        domains=domains,
        bookmark=_bookmark(message.bookmark) if message.HasField("bookmark") else None,
    )


def _pool_change(
    message: pb.PoolChange,
    *,
    pool: Pool | None = None,
    row: PoolRow | None = None,
    volumes: tuple[Volume, ...] = (),
    rows: Collection[VolumeRow] = (),
) -> PoolChange:
    return PoolChange(
        pool_uuid=message.pool_uuid,
        name=message.name,
        pool=pool,
        row=row,
        gone=message.gone,
        unchanged=message.unchanged,
        whole=message.whole,
        volumes=volumes,
        rows=rows,
        gone_volumes=tuple(message.gone_volumes),
        digest=message.digest,
    )


def _volumes(change: pb.PoolChange) -> tuple[Volume, ...]:
    return tuple(_volume(change, one) for one in change.volumes)


def _volume(change: pb.PoolChange, message: volume_pb2.Volume) -> Volume:
    """A volume with what was left out of it."""
    usual = f"{change.target_path}/{message.name}"
    message.pool = change.name
    message.path = message.path or usual
    message.key = message.key or usual
    return volume(message)


def _domain_change(message: pb.DomainChange) -> DomainChange:
    return DomainChange(domain_uuid=message.domain_uuid, domain=message.domain, disks=tuple(map(disk, message.disks)))


def _domain_rows(message: pb.DomainChange) -> DomainChange:
    return DomainChange(domain_uuid=message.domain_uuid, domain=message.domain, rows=disk_rows(message.disks))


def _bookmark(message: pb.Bookmark) -> Bookmark:
    has = message.HasField
    return Bookmark(
        revision=revision(message.revision),
        filter_digest=message.filter_digest,
        as_of=moment(message.as_of) if has("as_of") else None,
        age_s=seconds(message.age) if has("age") else None,
        unread_pools=tuple(map(unread_pool, message.unread_pools)),
        domains_as_of=moment(message.domains_as_of) if has("domains_as_of") else None,
        domains_missing=tuple(message.domains_missing),
    )
