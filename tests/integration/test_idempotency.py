"""Asked again, the same is not done twice: request ids, joins, comparison, and checks without effect."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from poolfleet.v1 import operation_pb2
from poolfleet.v1.pool_pb2 import DesiredState, DirSource, PoolSpec, PoolTarget
from poolfleet.v1.pool_service_pb2 import (
    BuildPoolRequest,
    DefinePoolRequest,
    ErasePoolRequest,
    GetPoolRequest,
    PoolUpdate,
    RefreshPoolRequest,
    StartPoolRequest,
    StopPoolRequest,
    UndefinePoolRequest,
    UpdatePoolRequest,
)
from poolfleet.v1.volume_pb2 import VolumeSpec
from poolfleet.v1.volume_service_pb2 import (
    CreateVolumeRequest,
    DeleteVolumeRequest,
    ResizeVolumeRequest,
    WipeVolumeRequest,
)
from scripts.embedded.host import EmbeddedHost
from tests.host_state import files_below, pools_by_libvirt
from tests.made_pools import MIB, dir_pool, folder, raw_volume, slow_volume, start_dir_pool
from tests.raw_agent import RawAgent, Refused, path_of, raw_agent
from tests.slow_qemu_img import SlowQemuImg

RUNNING, SUCCEEDED, FAILED = (
    operation_pb2.OPERATION_STATE_RUNNING,
    operation_pb2.OPERATION_STATE_SUCCEEDED,
    operation_pb2.OPERATION_STATE_FAILED,
)


def new_id() -> str:
    return str(uuid.uuid4())


async def test_a_request_id_gives_the_recorded_operation_again(host: EmbeddedHost, agent: RawAgent) -> None:
    await start_dir_pool(host, agent, "p")
    request = raw_volume("p", "v", request_id=new_id())
    first = await agent.done(request)
    assert first.changed
    await agent.done(DeleteVolumeRequest(pool="p", volume="v"))
    again = (await agent.ask(request)).operation
    assert again == first
    assert not (folder(host, "p") / "v").exists()


async def test_a_request_id_gives_a_failed_operation_again(host: EmbeddedHost, agent: RawAgent) -> None:
    await start_dir_pool(host, agent, "p")
    spec = VolumeSpec(name="v", capacity_bytes=2**62, allocation_bytes=0)
    request = CreateVolumeRequest(pool="p", spec=spec, request_id=new_id())
    first = await agent.do(request)
    assert first.state == FAILED
    recorded = await agent.operations()
    again = (await agent.ask(request)).operation
    assert again == first
    assert await agent.operations() == recorded


async def test_what_was_refused_before_an_operation_is_not_remembered(host: EmbeddedHost, agent: RawAgent) -> None:
    await agent.ready()
    request = StartPoolRequest(pool="p", request_id=new_id())
    assert (await agent.refusal(request)).reason == "POOL_NOT_FOUND"
    await agent.done(dir_pool(host, "p"))
    await agent.done(BuildPoolRequest(pool="p"))
    assert (await agent.done(request)).changed


async def test_a_request_id_survives_a_restart_and_is_of_one_rpc(host: EmbeddedHost, agent: RawAgent) -> None:
    await agent.ready()
    request = dir_pool(host, "p")
    request.request_id = new_id()
    first = await agent.done(request)
    await asyncio.to_thread(host.agent.stop)
    await asyncio.to_thread(host.agent.start)
    async with raw_agent(host.agent.target) as again:
        assert (await again.ask(request)).operation == first
        await again.ready()
        other = await again.done(BuildPoolRequest(pool="p", request_id=request.request_id))
        assert other.id != first.id


async def test_one_request_id_with_two_bodies_at_once_is_done_once(host: EmbeddedHost, agent: RawAgent) -> None:
    await start_dir_pool(host, agent, "p")
    request_id = new_id()
    asked = [agent.ask(raw_volume("p", f"v{number}", request_id=request_id)) for number in range(5)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    refusals = [answer for answer in answers if isinstance(answer, Refused)]
    assert [refusal.reason for refusal in refusals] == ["REQUEST_ID_REUSED"] * 4
    # It may still be at work: what is answered after a second is not waited for.
    [taken] = [answer for answer in answers if not isinstance(answer, BaseException)]
    await agent.ended(taken.operation)
    assert len(list(folder(host, "p").iterdir())) == 1


async def test_one_request_sent_many_times_at_once_is_done_once(host: EmbeddedHost, agent: RawAgent) -> None:
    await start_dir_pool(host, agent, "p", "v")
    before = await agent.operations()
    request = DeleteVolumeRequest(pool="p", volume="v", request_id=new_id())
    answers = await asyncio.gather(*(agent.ask(request) for _ in range(10)))
    assert len({answer.operation.id for answer in answers}) == 1
    assert len(await agent.operations()) == len(before) + 1


SlowHost = tuple[EmbeddedHost, SlowQemuImg]


async def test_the_same_mutation_joins_the_running_one_and_another_is_refused(slow_host: SlowHost) -> None:
    host, slow = slow_host
    ids = [new_id(), new_id()]
    async with raw_agent(host.agent.target) as agent:
        await start_dir_pool(host, agent, "p")
        slow.hold("before")
        first, second = await asyncio.gather(*(agent.ask(slow_volume(request_id)) for request_id in ids))
        third = await agent.ask(slow_volume())
        assert first.operation.state == RUNNING
        assert first.operation.id == second.operation.id == third.operation.id
        assert set(third.operation.request_ids) == set(ids)
        others: list[Message] = [
            StopPoolRequest(pool="p"),
            RefreshPoolRequest(pool="p"),
            UndefinePoolRequest(pool="p"),
            DeleteVolumeRequest(pool="p", volume="v.qcow2"),
            ResizeVolumeRequest(pool="p", volume="v.qcow2", capacity_bytes=MIB),
            WipeVolumeRequest(pool="p", volume="v.qcow2"),
            CreateVolumeRequest(pool="p", spec=VolumeSpec(name="v.qcow2", format="qcow2", capacity_bytes=MIB)),
        ]
        for request in others:
            refusal = await agent.refusal(request)
            assert (refusal.code, refusal.reason) == ("ABORTED", "OPERATION_IN_PROGRESS"), path_of(request)
            assert refusal.metadata["operation"] == first.operation.id
            assert refusal.retry_s
        # Another volume of the pool is nobody's concern.
        await agent.done(raw_volume("p", "other"))
        slow.let_go()
        ended = await agent.ended(first.operation)
        assert ended.state == SUCCEEDED
        for request_id in ids:
            assert (await agent.ask(slow_volume(request_id))).operation == ended


async def test_what_is_there_already_is_not_changed(host: EmbeddedHost, agent: RawAgent) -> None:
    await start_dir_pool(host, agent, "p", "v")
    target = folder(host, "p")
    before = await asyncio.to_thread(pools_by_libvirt, host.libvirtd.uri), files_below(target)
    xml = f"<pool type='dir'><name>p</name><target><path>{target}/</path></target></pool>"
    same: list[Message] = [
        dir_pool(host, "p"),
        DefinePoolRequest(xml=xml),
        StartPoolRequest(pool="p"),
        UpdatePoolRequest(
            pool="p",
            update=PoolUpdate(autostart=False, spec=PoolSpec(target=PoolTarget(path=str(target)))),
            update_mask=FieldMask(paths=["autostart", "spec.target.path"]),
        ),
        raw_volume("p", "v"),
        CreateVolumeRequest(pool="p", xml="<volume><name>v</name><capacity unit='MiB'>1</capacity></volume>"),
        UndefinePoolRequest(pool="none", allow_missing=True),
        ErasePoolRequest(pool="none", allow_missing=True),
        DeleteVolumeRequest(pool="p", volume="none", allow_missing=True),
        ResizeVolumeRequest(pool="p", volume="v", capacity_bytes=MIB, allocate=True),
    ]
    for request in same:
        operation = await agent.done(request)
        assert not operation.changed, path_of(request)
    assert (await asyncio.to_thread(pools_by_libvirt, host.libvirtd.uri), files_below(target)) == before
    assert (await agent.done(StopPoolRequest(pool="p"))).changed
    assert not (await agent.done(StopPoolRequest(pool="p"))).changed


async def test_what_is_there_otherwise_is_refused_with_the_fields(host: EmbeddedHost, agent: RawAgent) -> None:
    await start_dir_pool(host, agent, "p", "v")
    other = PoolSpec(name="p", uuid=new_id(), dir=DirSource(), target=PoolTarget(path=str(folder(host, "q"))))
    refusal = await agent.refusal(DefinePoolRequest(spec=other))
    assert (refusal.code, refusal.reason) == ("ALREADY_EXISTS", "POOL_EXISTS")
    assert refusal.metadata["fields"] == "uuid,target.path"
    spec = VolumeSpec(name="v", format="qcow2", capacity_bytes=2 * MIB)
    refusal = await agent.refusal(CreateVolumeRequest(pool="p", spec=spec))
    assert (refusal.code, refusal.reason) == ("ALREADY_EXISTS", "VOLUME_EXISTS")
    assert refusal.metadata["fields"] == "format,capacity_bytes"


async def test_a_volume_whose_file_somebody_removed_can_be_created_again(host: EmbeddedHost, agent: RawAgent) -> None:
    await start_dir_pool(host, agent, "p", "v")
    (folder(host, "p") / "v").unlink()
    assert (await agent.done(raw_volume("p", "v"))).changed
    assert (folder(host, "p") / "v").exists()


async def test_a_file_that_libvirt_has_not_seen_is_compared(host: EmbeddedHost, agent: RawAgent) -> None:
    await start_dir_pool(host, agent, "p")
    (folder(host, "p") / "v").write_bytes(b"precious")
    assert (await agent.refusal(raw_volume("p", "v"))).reason == "VOLUME_EXISTS"
    assert not (await agent.done(raw_volume("p", "v", size_bytes=8))).changed
    assert (folder(host, "p") / "v").read_bytes() == b"precious"


async def test_validate_only_checks_everything_and_changes_nothing(host: EmbeddedHost, agent: RawAgent) -> None:
    await start_dir_pool(host, agent, "p", "v")
    for name in ("idle", "unbuilt"):
        await agent.done(dir_pool(host, name))
    await agent.done(BuildPoolRequest(pool="idle"))
    # Started by somebody else: the agent's own wish is another, and stays so.
    await agent.done(StopPoolRequest(pool="idle"))
    before = (
        await asyncio.to_thread(pools_by_libvirt, host.libvirtd.uri),
        files_below(host.pools_dir),
        await agent.operations(),
    )
    requests: list[Message] = [
        dir_pool(host, "new"),
        UpdatePoolRequest(pool="p", update=PoolUpdate(autostart=True), update_mask=FieldMask(paths=["autostart"])),
        UndefinePoolRequest(pool="idle"),
        ErasePoolRequest(pool="idle"),
        StartPoolRequest(pool="idle"),
        StopPoolRequest(pool="p"),
        BuildPoolRequest(pool="unbuilt"),
        RefreshPoolRequest(pool="p"),
        raw_volume("p", "w"),
        DeleteVolumeRequest(pool="p", volume="v"),
        ResizeVolumeRequest(pool="p", volume="v", delta_bytes=-1024, allow_shrink=True),
        WipeVolumeRequest(pool="p", volume="v"),
    ]
    for request in requests:
        request.validate_only = True  # type: ignore[attr-defined]
        request.request_id = new_id()  # type: ignore[attr-defined]
        operation = (await agent.ask(request)).operation
        assert (operation.id, operation.state, operation.changed) == ("", SUCCEEDED, True), path_of(request)
    unchanged = dir_pool(host, "p")
    unchanged.validate_only = True
    assert not (await agent.ask(unchanged)).operation.changed
    refusal = await agent.refusal(UndefinePoolRequest(pool="p", validate_only=True))
    assert refusal.reason == "POOL_ACTIVE"
    after = (
        await asyncio.to_thread(pools_by_libvirt, host.libvirtd.uri),
        files_below(host.pools_dir),
        await agent.operations(),
    )
    assert after == before
    for name, desired in (("p", DesiredState.DESIRED_STARTED), ("idle", DesiredState.DESIRED_STOPPED)):
        assert (await agent.ask(GetPoolRequest(pool=name))).pool.desired_state.desired == desired
    # What was only checked can still be done, with the same id.
    request = raw_volume("p", "w", request_id=requests[8].request_id)  # type: ignore[attr-defined]
    assert (await agent.done(request)).changed


@pytest.mark.parametrize("reason", ["VOLUME_IN_USE"])
async def test_a_volume_that_another_lies_on_is_not_deleted(reason: str, host: EmbeddedHost, agent: RawAgent) -> None:
    await start_dir_pool(host, agent, "p", "v")
    overlay = VolumeSpec(name="o.qcow2", format="qcow2", capacity_bytes=MIB)
    overlay.backing_store.path = str(folder(host, "p") / "v")
    overlay.backing_store.format = "raw"
    await agent.done(CreateVolumeRequest(pool="p", spec=overlay))
    assert (await agent.refusal(DeleteVolumeRequest(pool="p", volume="v"))).reason == reason
    await agent.done(DeleteVolumeRequest(pool="p", volume="v", allow_in_use=True))
