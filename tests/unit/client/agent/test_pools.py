"""What is asked of an agent about pools, and what is made of its answers."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from poolfleet import (
    DeadlineExceeded,
    Desired,
    DirSource,
    HealthStatus,
    InvalidArgument,
    MountOwner,
    NetfsSource,
    OperationState,
    Permissions,
    Pool,
    PoolSpec,
    PoolState,
    PoolTarget,
    StillRunning,
    StorageFingerprint,
    StorageIdSource,
)
from poolfleet.aio import AgentClient
from poolfleet.v1 import operation_service_pb2, pool_pb2, pool_service_pb2, snapshot_pb2
from tests.unit.client.stub_agent import StubAgent, running, succeeded

NETFS = pool_pb2.Pool(
    name="vm_data",
    uuid="8c0f4a9e-2f5b-4c1e-9d0a-0d6f3a1b2c3d",
    type="netfs",
    state=pool_pb2.POOL_STATE_RUNNING,
    desired_state=pool_pb2.DesiredState(desired=pool_pb2.DesiredState.DESIRED_STARTED, why="autostart"),
    health=pool_pb2.PoolHealth(status=pool_pb2.PoolHealth.STATUS_FAULTY, reason="READ_ONLY", message="It is."),
    autostart=True,
    persistent=True,
    capacity_bytes=0,
    volume_count=3,
    netfs=pool_pb2.NetfsSource(host="nfs.example.com", path="/path/to/share", format="nfs"),
    target=pool_pb2.PoolTarget(path="/vm_data", permissions=snapshot_pb2.Permissions(mode=0o711, owner=0)),
    mount=pool_pb2.PoolMount(options=["noatime"], owner=pool_pb2.PoolMount.OWNER_LIBVIRT),
    storage=snapshot_pb2.Storage(
        id="nfs:a",
        source=snapshot_pb2.Storage.SOURCE_DERIVED,
        aliases=["nfs:b"],
        fingerprint=snapshot_pb2.StorageFingerprint(
            root_inode=2**63, files=[snapshot_pb2.StorageFingerprint.File(name="base.qcow2", inode=12)]
        ),
    ),
    pending=pool_pb2.PendingDefinition(
        fields=["target.path"], spec=pool_pb2.PoolSpec(name="vm_data", dir=pool_pb2.DirSource())
    ),
    etag="e1",
)


async def test_a_pool_has_all_that_the_agent_said(stub: StubAgent, client: AgentClient) -> None:
    age = Duration(seconds=2, nanos=500_000_000)
    stub.on("GetPool", pool_service_pb2.GetPoolResponse(pool=NETFS, as_of=Timestamp(seconds=60), age=age))
    pool = await client.pools.get("vm_data")
    assert (pool.name, pool.type, pool.state, pool.active) == ("vm_data", "netfs", PoolState.RUNNING, True)
    assert (pool.capacity_bytes, pool.available_bytes, pool.volume_count) == (0, None, 3)
    assert pool.source == NetfsSource(host="nfs.example.com", path="/path/to/share")
    assert pool.target == PoolTarget(path="/vm_data", permissions=Permissions(mode=0o711, owner=0, group=None))
    assert pool.mount is not None
    assert (pool.mount.options, pool.mount.owner) == (("noatime",), MountOwner.LIBVIRT)
    assert pool.storage is not None
    assert (pool.storage.source, pool.storage.aliases) == (StorageIdSource.DERIVED, ("nfs:b",))
    assert pool.storage.fingerprint == StorageFingerprint(root_inode=2**63, files=(("base.qcow2", 12),))
    assert pool.health is not None
    assert (pool.health.status, pool.health.reason, pool.health.since) == (HealthStatus.FAULTY, "READ_ONLY", None)
    assert pool.desired_state is not None
    assert (pool.desired_state.desired, pool.desired_state.why) == (Desired.STARTED, "autostart")
    assert pool.pending is not None
    assert pool.pending.fields == ("target.path",)
    assert pool.pending.spec == PoolSpec("vm_data", source=DirSource())
    assert (pool.as_of, pool.age_s) == (datetime(1970, 1, 1, 0, 1, tzinfo=UTC), 2.5)


async def test_nothing_said_is_asked_of_the_snapshot(stub: StubAgent, client: AgentClient) -> None:
    stub.on("GetPool", pool_service_pb2.GetPoolResponse(pool=NETFS))
    await client.pools.get("a")
    await client.pools.get("a", max_staleness_s=0, full=True)
    as_it_is, fresh = stub.sent("GetPool")
    assert not as_it_is.HasField("max_staleness")
    assert fresh.HasField("max_staleness")
    assert (fresh.max_staleness.ToNanoseconds(), fresh.view) == (0, snapshot_pb2.VIEW_FULL)


async def test_a_list_goes_through_all_pages(stub: StubAgent, client: AgentClient) -> None:
    def page(names: str, token: str) -> pool_service_pb2.ListPoolsResponse:
        return pool_service_pb2.ListPoolsResponse(pools=[pool_pb2.Pool(name=n) for n in names], next_page_token=token)

    stub.on("ListPools", page("ab", "t1"), page("", "t2"), page("c", ""))
    found = client.pools.list(types=["dir"], states=[PoolState.RUNNING], autostart=False, page_size=2)
    assert [pool.name async for pool in found] == ["a", "b", "c"]
    requests = stub.sent("ListPools")
    assert [request.page_token for request in requests] == ["", "t1", "t2"]
    wanted = requests[0].filter
    assert (list(wanted.types), list(wanted.states)) == (["dir"], [pool_pb2.POOL_STATE_RUNNING])
    assert (wanted.HasField("autostart"), wanted.HasField("persistent")) == (True, False)


async def test_a_page_is_asked_for_when_it_is_wanted(stub: StubAgent, client: AgentClient) -> None:
    stub.on("ListPools", pool_service_pb2.ListPoolsResponse(pools=[pool_pb2.Pool(name="a")], next_page_token="t"))
    async for _ in client.pools.list():
        break
    assert len(stub.sent("ListPools")) == 1


async def test_definitions_go_out_typed_or_as_they_came(stub: StubAgent, client: AgentClient) -> None:
    stub.on("DefinePool", pool_service_pb2.DefinePoolResponse(operation=succeeded(pool_result=NETFS)))
    permissions = Permissions(mode=0, group=36)
    spec = PoolSpec.netfs("a", host="h", path="/p", target="/t", options=["hard"], permissions=permissions)
    operation = await client.pools.define(spec, transient=True)
    assert isinstance(operation.result, Pool)
    await client.pools.define(PoolSpec.dir("a", target="/t"))
    await client.pools.define(PoolSpec.from_xml("<pool type='dir'><name>a</name></pool>"), validate_only=True)
    netfs, folder, document = stub.sent("DefinePool")
    assert netfs.transient
    assert netfs.spec.netfs == pool_pb2.NetfsSource(host="h", path="/p", format="nfs")
    assert list(netfs.spec.mount.options) == ["hard"]
    assert netfs.spec.target.permissions == snapshot_pb2.Permissions(mode=0, group=36)
    assert (folder.spec.WhichOneof("source"), folder.spec.HasField("mount")) == ("dir", False)
    assert (document.xml, document.validate_only) == ("<pool type='dir'><name>a</name></pool>", True)
    assert len({request.request_id for request in stub.sent("DefinePool")}) == 3


@pytest.mark.parametrize(
    ("change", "mask"),
    [
        ({"autostart": False}, ["autostart"]),
        ({"supervised": True}, ["supervised"]),
        ({"spec": PoolSpec.dir("a", target="/t")}, ["spec.source", "spec.target"]),
        ({"spec": PoolSpec.dir("a", target="/t"), "mask": ["spec.target.path"]}, ["spec.target.path"]),
        ({"spec": PoolSpec("a", xml="<pool/>")}, ["xml"]),
        ({"xml": "<pool/>", "autostart": True}, ["xml", "autostart"]),
    ],
)
async def test_an_update_says_what_it_changes(
    stub: StubAgent, client: AgentClient, change: dict[str, Any], mask: list[str]
) -> None:
    stub.on("UpdatePool", pool_service_pb2.UpdatePoolResponse(operation=succeeded()))
    await client.pools.update("a", **change, etag="e1")
    (request,) = stub.sent("UpdatePool")
    assert (list(request.update_mask.paths), request.etag) == (mask, "e1")


async def test_a_storage_is_adopted_by_a_pool_on_it(stub: StubAgent, client: AgentClient) -> None:
    stub.on("AdoptStorage", pool_service_pb2.AdoptStorageResponse(operation=succeeded(pool_result=NETFS)))
    operation = await client.pools.adopt_storage("vm_data", etag="e1")
    assert isinstance(operation.result, Pool)
    (request,) = stub.sent("AdoptStorage")
    assert (request.pool, request.etag, request.validate_only) == ("vm_data", "e1", False)


async def test_a_running_operation_is_waited_for(stub: StubAgent, client: AgentClient) -> None:
    stub.on("StartPool", pool_service_pb2.StartPoolResponse(operation=running()))
    stub.on(
        "WaitOperation",
        operation_service_pb2.WaitOperationResponse(operation=running()),
        operation_service_pb2.WaitOperationResponse(operation=succeeded()),
    )
    assert (await client.pools.start("a")).state is OperationState.SUCCEEDED
    assert stub.called == ["StartPool", "WaitOperation", "WaitOperation"]
    assert stub.sent("WaitOperation")[0].operation == "op-1"


async def test_one_that_goes_on_is_handed_over_when_the_time_is_up(stub: StubAgent, client: AgentClient) -> None:
    async def goes_on(request: operation_service_pb2.WaitOperationRequest) -> Any:
        await asyncio.sleep(request.timeout.ToNanoseconds() / 1e9)
        return operation_service_pb2.WaitOperationResponse(operation=running())

    stub.on("StartPool", pool_service_pb2.StartPoolResponse(operation=running()))
    stub.on("WaitOperation", goes_on)
    with pytest.raises(StillRunning) as caught:
        await client.pools.start("a", timeout_s=2)  # in which the start itself has to be answered
    assert isinstance(caught.value, DeadlineExceeded)
    assert (caught.value.operation.id, caught.value.host) == ("op-1", "kvm1")


async def test_so_is_one_whose_agent_falls_silent(
    stub: StubAgent, client: AgentClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(request: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("poolfleet.transport.calls.ANSWER_S", 0.1)
    stub.on("StartPool", pool_service_pb2.StartPoolResponse(operation=running()))
    stub.on("WaitOperation", silent)
    with pytest.raises(StillRunning):
        await client.pools.start("a", timeout_s=2)
    with pytest.raises(DeadlineExceeded) as caught:
        await client.operations.wait("op-1", timeout_s=0.3)
    assert caught.value.reason == "DEADLINE"


async def test_who_does_not_wait_gets_it_as_it_runs(stub: StubAgent, client: AgentClient) -> None:
    stub.on("StartPool", pool_service_pb2.StartPoolResponse(operation=running()))
    assert not (await client.pools.start("a", wait=False)).ended
    assert stub.called == ["StartPool"]


async def test_a_stop_says_what_is_no_reason_to_refuse_and_whether_it_goes_by_force(
    stub: StubAgent, client: AgentClient
) -> None:
    stub.on("StopPool", pool_service_pb2.StopPoolResponse(operation=succeeded()))
    await client.pools.stop("a", force=True, allow_in_use=True, etag="e")
    (request,) = stub.sent("StopPool")
    assert (request.force, request.allow_in_use, request.etag) == (True, True, "e")


async def test_what_only_validates_is_not_waited_for(stub: StubAgent, client: AgentClient) -> None:
    stub.on("StopPool", pool_service_pb2.StopPoolResponse(operation=running("")))
    await client.pools.stop("a", validate_only=True)
    assert stub.called == ["StopPool"]


@pytest.mark.parametrize("name", ["\udcff", "a\ud800"])
async def test_what_no_message_can_hold_is_refused_before_it_is_sent(
    stub: StubAgent, client: AgentClient, name: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await client.pools.get(name)
    assert caught.value.reason == "INVALID_FIELD"
    assert stub.called == []
