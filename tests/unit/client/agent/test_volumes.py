"""What is asked of an agent about volumes, and what is made of its answers."""

import contextlib
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from poolfleet import (
    BackingStore,
    CloneSpec,
    InvalidArgument,
    Permissions,
    Unavailable,
    UnreadPool,
    Volume,
    VolumeSpec,
)
from poolfleet.aio import AgentClient
from poolfleet.v1 import snapshot_pb2, volume_pb2, volume_service_pb2
from tests.unit.client.stub_agent import Refusal, StubAgent, failed, succeeded

QCOW2 = volume_pb2.Volume(
    pool="images",
    name="disk.qcow2",
    key="/images/disk.qcow2",
    path="/images/disk.qcow2",
    type="file",
    format="qcow2",
    capacity_bytes=1 << 30,
    backing_store=volume_pb2.BackingStore(path="/images/base.qcow2", format="qcow2"),
    permissions=snapshot_pb2.Permissions(mode=0o600, owner=0, group=0),
    modified_at=Timestamp(seconds=60),
    compat="1.1",
    features=["lazy_refcounts"],
)


def page(name: str, token: str, *, as_of: int, unread: str = "") -> volume_service_pb2.ListVolumesResponse:
    return volume_service_pb2.ListVolumesResponse(
        volumes=[volume_pb2.Volume(pool="images", name=name)],
        next_page_token=token,
        revision=snapshot_pb2.Revision(epoch="e", sequence=as_of),
        as_of=Timestamp(seconds=as_of),
        age=Duration(seconds=100 - as_of),
        unread_pools=[volume_service_pb2.UnreadPool(pool=unread, reason="POOL_UNRESPONSIVE")] if unread else [],
    )


async def test_a_volume_has_all_that_the_agent_said(stub: StubAgent, client: AgentClient) -> None:
    stub.on("GetVolume", volume_service_pb2.GetVolumeResponse(volume=QCOW2, age=Duration(seconds=3)))
    volume = await client.volumes.get("images", "disk.qcow2")
    assert (volume.pool, volume.name, volume.format, volume.type) == ("images", "disk.qcow2", "qcow2", "file")
    assert (volume.capacity_bytes, volume.allocation_bytes) == (1 << 30, None)
    assert volume.backing_store == BackingStore(path="/images/base.qcow2", format="qcow2")
    assert volume.permissions == Permissions(mode=0o600, owner=0, group=0)
    assert volume.modified_at == datetime(1970, 1, 1, 0, 1, tzinfo=UTC)
    assert (volume.features, volume.age_s) == (("lazy_refcounts",), 3)


async def test_a_listing_is_as_old_as_its_oldest_page(stub: StubAgent, client: AgentClient) -> None:
    stub.on("ListVolumes", page("a", "t", as_of=70, unread="dead"), page("b", "u", as_of=40), page("c", "", as_of=60))
    listing = await client.volumes.read_all()
    assert [volume.name for volume in listing.volumes] == ["a", "b", "c"]
    assert listing.unread_pools == (UnreadPool(pool="dead", reason="POOL_UNRESPONSIVE", message=""),)
    assert not listing.complete
    assert (listing.as_of, listing.age_s) == (datetime(1970, 1, 1, 0, 0, 40, tzinfo=UTC), 60)
    assert listing.revision.sequence == 60


async def test_a_list_yields_volumes(stub: StubAgent, client: AgentClient) -> None:
    stub.on("ListVolumes", page("a", "t", as_of=70), page("b", "", as_of=40))
    found = client.volumes.list("images", formats=["raw"], name_prefix="x", max_staleness_s=1, include_special=True)
    assert [volume.name async for volume in found] == ["a", "b"]
    request = stub.sent("ListVolumes")[0]
    assert (request.pool, list(request.filter.formats), request.filter.name_prefix) == ("images", ["raw"], "x")
    assert (request.max_staleness.seconds, request.include_special) == (1, True)


async def test_a_look_up_is_by_path_or_key(stub: StubAgent, client: AgentClient) -> None:
    stub.on("LookupVolume", volume_service_pb2.LookupVolumeResponse(volume=QCOW2))
    await client.volumes.lookup(path="/images/disk.qcow2")
    await client.volumes.lookup(key="k")
    assert [request.WhichOneof("by") for request in stub.sent("LookupVolume")] == ["path", "key"]
    for path, key in ((None, None), ("/a", "k")):
        with pytest.raises(InvalidArgument):
            await client.volumes.lookup(path=path, key=key)


async def test_what_is_not_asked_for_is_not_sent(stub: StubAgent, client: AgentClient) -> None:
    stub.on("CreateVolume", volume_service_pb2.CreateVolumeResponse(operation=succeeded(volume_result=QCOW2)))
    operation = await client.volumes.create("images", VolumeSpec("a", capacity_bytes=0))
    assert isinstance(operation.result, Volume)
    backing = BackingStore(path="/images/base.qcow2", format="qcow2")
    await client.volumes.create(
        "images", VolumeSpec("b", capacity_bytes=1, format="qcow2", allocation_bytes=0, backing_store=backing)
    )
    await client.volumes.create("images", VolumeSpec.from_xml("<volume><name>c</name></volume>"))
    plain, full, document = stub.sent("CreateVolume")
    assert [plain.spec.HasField(name) for name in ("allocation_bytes", "backing_store", "permissions")] == [False] * 3
    assert (full.spec.HasField("allocation_bytes"), full.spec.backing_store.path) == (True, "/images/base.qcow2")
    assert document.xml == "<volume><name>c</name></volume>"


async def test_a_size_beyond_64_bits_is_refused_before_it_is_sent(stub: StubAgent, client: AgentClient) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await client.volumes.create("images", VolumeSpec("a", capacity_bytes=1 << 70))
    assert caught.value.reason == "INVALID_FIELD"
    assert stub.called == []


async def test_a_clone_says_of_what_and_where(stub: StubAgent, client: AgentClient) -> None:
    stub.on("CloneVolume", volume_service_pb2.CloneVolumeResponse(operation=succeeded(volume_result=QCOW2)))
    operation = await client.volumes.clone("images", "base", CloneSpec("a"))
    assert isinstance(operation.result, Volume)
    spec = CloneSpec("b", format="raw", capacity_bytes=5, linked=True, permissions=Permissions(mode=0o640))
    await client.volumes.clone("images", "base", spec, target_pool="fast", allow_in_use=True, etag="e")
    await client.volumes.clone("images", "base", CloneSpec.from_xml("<volume><name>c</name></volume>"))
    plain, full, document = stub.sent("CloneVolume")
    assert (plain.pool, plain.volume, plain.target_pool, plain.spec.name) == ("images", "base", "", "a")
    assert (plain.spec.format, plain.spec.capacity_bytes, plain.spec.HasField("permissions")) == ("", 0, False)
    assert (full.target_pool, full.allow_in_use, full.etag) == ("fast", True, "e")
    assert (full.spec.format, full.spec.capacity_bytes, full.spec.linked) == ("raw", 5, True)
    assert full.spec.permissions.mode == 0o640
    assert document.xml == "<volume><name>c</name></volume>"


async def test_a_delete_says_what_is_no_reason_to_refuse(stub: StubAgent, client: AgentClient) -> None:
    stub.on("DeleteVolume", volume_service_pb2.DeleteVolumeResponse(operation=succeeded()))
    operation = await client.volumes.delete("images", "a", allow_missing=True, allow_in_use=True, etag="e")
    assert operation.result is None
    (request,) = stub.sent("DeleteVolume")
    assert (request.allow_missing, request.allow_in_use, request.etag) == (True, True, "e")


async def test_a_resize_is_to_a_capacity_or_by_a_delta(stub: StubAgent, client: AgentClient) -> None:
    stub.on("ResizeVolume", volume_service_pb2.ResizeVolumeResponse(operation=succeeded(volume_result=QCOW2)))
    await client.volumes.resize("images", "a", 5, allow_shrink=True, allocate=True, allow_in_use=True, etag="e")
    await client.volumes.resize("images", "a", delta_bytes=-5)
    to, by = stub.sent("ResizeVolume")
    assert (to.WhichOneof("size"), to.capacity_bytes) == ("capacity_bytes", 5)
    assert (to.allow_shrink, to.allocate, to.allow_in_use, to.etag) == (True, True, True, "e")
    assert (by.WhichOneof("size"), by.delta_bytes, by.allow_shrink) == ("delta_bytes", -5, False)
    for capacity_bytes in (None, 5):
        with pytest.raises(InvalidArgument):
            await client.volumes.resize("images", "a", capacity_bytes, delta_bytes=capacity_bytes)


@pytest.mark.parametrize(("sizes", "times"), [({"capacity_bytes": 5}, 2), ({"delta_bytes": 5}, 1)])
async def test_a_delta_that_failed_on_the_agent_is_not_added_by_another_try(
    stub: StubAgent, client: AgentClient, sizes: dict[str, Any], times: int
) -> None:
    away = Refusal(grpc.StatusCode.UNAVAILABLE, "LIBVIRT_UNAVAILABLE", "away", retry_delay_s=0.01)
    failure = volume_service_pb2.ResizeVolumeResponse(operation=failed(away))
    done = volume_service_pb2.ResizeVolumeResponse(operation=succeeded(volume_result=QCOW2))
    stub.on("ResizeVolume", failure, done)
    with pytest.raises(Unavailable) if times == 1 else contextlib.nullcontext():
        await client.volumes.resize("images", "a", **sizes)
    assert len(stub.sent("ResizeVolume")) == times


async def test_a_wipe_is_by_zeros_unless_something_else_is_said(stub: StubAgent, client: AgentClient) -> None:
    stub.on("WipeVolume", volume_service_pb2.WipeVolumeResponse(operation=succeeded(volume_result=QCOW2)))
    await client.volumes.wipe("images", "a")
    await client.volumes.wipe("images", "a", algorithm="dod", allow_in_use=True, etag="e")
    plain, full = stub.sent("WipeVolume")
    assert (plain.pool, plain.volume, plain.algorithm, plain.allow_in_use) == ("images", "a", "zero", False)
    assert (full.algorithm, full.allow_in_use, full.etag) == ("dod", True, "e")
