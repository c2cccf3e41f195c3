"""A volume as a row says what the volume as an object says, and so do a pool and a disk of a domain."""

from __future__ import annotations

from poolfleet.agent.convert.inventory import batch, row_batch
from poolfleet.types.inventory import DiskRow, PoolRow, VolumeRow
from poolfleet.types.pool import Pool
from poolfleet.v1 import inventory_service_pb2 as pb
from poolfleet.v1 import pool_pb2
from poolfleet.v1.domain_disk_pb2 import DomainDisk as DiskMessage
from poolfleet.v1.pool_pb2 import Pool as PoolMessage
from poolfleet.v1.pool_pb2 import PoolHealth
from poolfleet.v1.snapshot_pb2 import Storage, StorageFingerprint
from poolfleet.v1.volume_pb2 import BackingStore
from poolfleet.v1.volume_pb2 import Volume as VolumeMessage


def told(*volumes: VolumeMessage) -> pb.WatchInventoryResponse:
    return pb.WatchInventoryResponse(pools=[pb.PoolChange(name="p", target_path="/vm", volumes=volumes)])


def test_each_column_is_that_of_the_object() -> None:
    message = VolumeMessage(
        name="a", type="file", format="qcow2", capacity_bytes=3, allocation_bytes=2, physical_bytes=1,
        backing_store=BackingStore(path="/vm/base", format="raw"), encryption="luks", etag="e",
    )  # fmt: skip
    message.modified_at.FromMilliseconds(1500)
    [change] = row_batch(told(message)).pools
    assert change.volumes == ()
    [row] = change.rows
    [volume] = batch(told(message)).pools[0].volumes
    assert volume.backing_store is not None
    assert volume.modified_at is not None
    assert row == VolumeRow(
        volume.name, None, volume.type, volume.format, volume.capacity_bytes, volume.allocation_bytes,
        volume.physical_bytes, volume.backing_store.path, volume.backing_store.format, volume.modified_at.timestamp(),
        volume.encryption, volume.etag,
    )  # fmt: skip


def test_what_is_not_known_is_none_and_not_nothing() -> None:
    [row] = row_batch(told(VolumeMessage(name="a", path="/dev/vg/a"))).pools[0].rows
    assert row.path == "/dev/vg/a"
    assert (row.capacity_bytes, row.allocation_bytes, row.physical_bytes) == (None, None, None)
    assert (row.backing_path, row.backing_format, row.modified_at_s) == (None, None, None)


def test_a_number_that_is_none_is_told_from_one_that_is_not_known() -> None:
    message = VolumeMessage(name="a", capacity_bytes=0, allocation_bytes=0, physical_bytes=0)
    [row] = row_batch(told(message)).pools[0].rows
    assert (row.capacity_bytes, row.allocation_bytes, row.physical_bytes) == (0, 0, 0)


def told_itself(message: PoolMessage) -> tuple[PoolRow, Pool]:
    response = pb.WatchInventoryResponse(pools=[pb.PoolChange(pool_uuid=message.uuid, pool=message)])
    [as_row], [as_object] = row_batch(response).pools, batch(response).pools
    assert (as_row.pool, as_object.row) == (None, None)
    assert as_row.row is not None
    assert as_object.pool is not None
    return as_row.row, as_object.pool


def test_each_column_is_that_of_the_pool() -> None:
    message = PoolMessage(
        name="vm", uuid="u", type="netfs", state=pool_pb2.POOL_STATE_DEGRADED, capacity_bytes=9, allocation_bytes=4,
        available_bytes=5, provisioned_bytes=0, unaddressable_count=2, filesystem_id="nfs:filer/vm",
        target=pool_pb2.PoolTarget(path="/vm"), health=PoolHealth(status=PoolHealth.STATUS_SUSPECT),
        storage=Storage(
            id="nfs:filer/vm", source=Storage.SOURCE_DERIVED, aliases=["nfs:10.0.0.5/vm"],
            fingerprint=StorageFingerprint(root_inode=2, files=[StorageFingerprint.File(name="a", inode=3)]),
        ),
        backing_links=[pool_pb2.BackingLink(path="/links/golden", leads_to="/vm/base")],
    )  # fmt: skip
    message.volumes_as_of.FromMilliseconds(1500)
    row, pool = told_itself(message)
    assert pool.health is not None
    assert pool.target is not None
    assert row == PoolRow(
        name=pool.name, type=pool.type, state=pool.state, health=pool.health.status, target_path=pool.target.path,
        filesystem_id=pool.filesystem_id, capacity_bytes=pool.capacity_bytes, allocation_bytes=pool.allocation_bytes,
        available_bytes=pool.available_bytes, provisioned_bytes=pool.provisioned_bytes,
        unaddressable_count=pool.unaddressable_count, backing_links=pool.backing_links, storage=pool.storage,
        volumes_as_of=pool.volumes_as_of,
    )  # fmt: skip
    assert row.provisioned_bytes == 0
    assert row.backing_links == (("/links/golden", "/vm/base"),)
    assert row.state.active


def test_what_is_not_known_of_a_pool_is_none() -> None:
    row, _ = told_itself(PoolMessage(name="vm", uuid="u"))
    assert (row.capacity_bytes, row.allocation_bytes, row.available_bytes, row.provisioned_bytes) == (None,) * 4
    assert (row.health, row.target_path, row.storage, row.volumes_as_of) == (None,) * 4
    assert not row.state.active


def test_each_column_is_that_of_the_disk() -> None:
    message = DiskMessage(
        domain="web", domain_uuid="u", domain_state=DiskMessage.DOMAIN_STATE_INACTIVE, role=DiskMessage.ROLE_BACKING,
        target="vda", source_kind="file", path="/vm/base.qcow2", storage_id="s", pool="vm", volume="base.qcow2",
        read_only=True, shared=True, format="qcow2", depth=2,
    )  # fmt: skip
    change = pb.DomainChange(domain_uuid="u", domain="web", disks=[message])
    response = pb.WatchInventoryResponse(domains=[change])
    [told_as_rows], [told_as_disks] = row_batch(response).domains, batch(response).domains
    assert (told_as_rows.domain_uuid, told_as_rows.domain, told_as_rows.disks) == ("u", "web", ())
    [row], [disk] = told_as_rows.rows, told_as_disks.disks
    assert row == DiskRow(
        disk.domain, "inactive", "backing", disk.target, disk.source_kind, disk.path, "base.qcow2", disk.storage_id,
        disk.pool, disk.volume, disk.read_only, disk.shared, disk.format, disk.depth,
    )  # fmt: skip
    assert all(type(value) in (str, bool, int) for value in row), "a driver knows no others"
