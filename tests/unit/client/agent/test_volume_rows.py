"""A volume as a row says what the volume as an object says."""

from __future__ import annotations

from poolfleet.agent.convert.inventory import batch, row_batch
from poolfleet.types.inventory import VolumeRow
from poolfleet.v1 import inventory_service_pb2 as pb
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
