"""A volume as a row says what the volume as an object says, and so does a disk of a domain."""

from __future__ import annotations

from poolfleet.agent.convert.inventory import batch, row_batch
from poolfleet.types.inventory import DiskRow, VolumeRow
from poolfleet.v1 import inventory_service_pb2 as pb
from poolfleet.v1.domain_disk_pb2 import DomainDisk as DiskMessage
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
