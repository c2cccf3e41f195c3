"""Operations, the agent itself, and what domains use."""

import asyncio
from collections.abc import AsyncGenerator

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from poolfleet import AgentMode, Cancelled, DiskRole, DomainState, OperationKind, OperationState, Progress, Unavailable
from poolfleet.aio import AgentClient
from poolfleet.v1 import (
    agent_pb2,
    agent_service_pb2,
    domain_disk_pb2,
    inventory_service_pb2,
    operation_pb2,
    operation_service_pb2,
)
from tests.unit.client.stub_agent import Bare, Refusal, StubAgent, failed, running, succeeded

CANCELLED = Refusal(grpc.StatusCode.CANCELLED, "OPERATION_CANCELLED")


async def test_an_operation_has_all_that_the_agent_said(stub: StubAgent, client: AgentClient) -> None:
    message = failed(CANCELLED)
    message.kind = operation_pb2.OPERATION_KIND_START_POOL
    message.progress.done_bytes = 5
    message.attempts.add(number=1, failure="refused", duration=Duration(seconds=1), retry_delay=Duration(seconds=2))
    stub.on("GetOperation", operation_service_pb2.GetOperationResponse(operation=message))
    operation = await client.operations.get("op-1")
    assert (operation.kind, operation.state) == (OperationKind.START_POOL, OperationState.FAILED)
    assert operation.progress == Progress(done_bytes=5, total_bytes=None, estimated=False)
    (attempt,) = operation.attempts
    assert (attempt.number, attempt.failure, attempt.duration_s, attempt.retry_delay_s) == (1, "refused", 1, 2)
    assert isinstance(operation.error, Cancelled)
    assert (operation.error.operation_id, operation.error.host) == ("op-1", "kvm1")
    assert operation.ended


async def test_a_wait_ends_well_or_raises(stub: StubAgent, client: AgentClient) -> None:
    lost = Bare(grpc.StatusCode.UNAVAILABLE)
    responses = [operation_service_pb2.WaitOperationResponse(operation=o) for o in (succeeded(), failed(CANCELLED))]
    stub.on("WaitOperation", lost, *responses)
    assert (await client.operations.wait("op-1")).state is OperationState.SUCCEEDED
    with pytest.raises(Cancelled):
        await client.operations.wait("op-1")


async def test_a_list_is_filtered(stub: StubAgent, client: AgentClient) -> None:
    stub.on("ListOperations", operation_service_pb2.ListOperationsResponse(operations=[running(), succeeded()]))
    states, kinds = [OperationState.RUNNING], [OperationKind.CREATE_VOLUME]
    found = [operation.state async for operation in client.operations.list(states=states, kinds=kinds, pools=["a"])]
    assert found == [OperationState.RUNNING, OperationState.SUCCEEDED]
    wanted = stub.sent("ListOperations")[0].filter
    assert list(wanted.states) == [operation_pb2.OPERATION_STATE_RUNNING]
    assert (list(wanted.kinds), list(wanted.pools)) == ([operation_pb2.OPERATION_KIND_CREATE_VOLUME], ["a"])


async def test_a_watch_yields_each_change(stub: StubAgent, client: AgentClient) -> None:
    message = operation_service_pb2.WatchOperationsResponse
    stream = [message(operation=running()), message(present_state_sent=True), message(operation=succeeded())]
    stub.on("WatchOperations", stream)
    seen = [operation.state async for operation in client.operations.watch(["op-1"])]
    assert seen == [OperationState.RUNNING, OperationState.SUCCEEDED]


async def test_a_watch_that_loses_its_agent_says_so(stub: StubAgent, client: AgentClient) -> None:
    stub.on("WatchOperations", [operation_service_pb2.WatchOperationsResponse(operation=running()), ...])
    watch = client.operations.watch()
    await anext(watch)
    await stub.stop()
    with pytest.raises(Unavailable):
        await asyncio.wait_for(anext(watch), 20)


async def test_a_watch_that_is_left_ends_on_the_agent_too(stub: StubAgent, client: AgentClient) -> None:
    stub.on("WatchOperations", [operation_service_pb2.WatchOperationsResponse(operation=running()), ...])
    watch = client.operations.watch()
    await anext(watch)
    assert isinstance(watch, AsyncGenerator)
    await watch.aclose()
    await asyncio.wait_for(stub.left.wait(), 20)


async def test_a_cancel_answers_with_the_operation(stub: StubAgent, client: AgentClient) -> None:
    stub.on("CancelOperation", operation_service_pb2.CancelOperationResponse(operation=running()))
    assert (await client.operations.cancel("op-1")).state is OperationState.RUNNING
    assert stub.sent("CancelOperation")[0].operation == "op-1"


async def test_the_agent_tells_about_itself(stub: StubAgent, client: AgentClient) -> None:
    message = agent_pb2.Agent(
        agent_id="a1",
        versions=agent_pb2.AgentVersions(libvirt="9.0.0"),
        limits=agent_pb2.AgentLimits(staleness=Duration(seconds=60)),
        mode=agent_pb2.Agent.MODE_OBSERVE,
        started_at=Timestamp(seconds=1),
    )
    stub.on("GetAgent", agent_service_pb2.GetAgentResponse(agent=message))
    agent = await client.get()
    assert (agent.agent_id, agent.versions.libvirt, agent.limits.staleness_s) == ("a1", "9.0.0", 60)
    assert (agent.mode, agent.registry_loaded, agent.age_s) == (AgentMode.OBSERVE, False, None)


async def test_disks_are_complete_only_where_every_page_is(stub: StubAgent, client: AgentClient) -> None:
    disk = domain_disk_pb2.DomainDisk
    first = disk(domain="a", domain_state=disk.DOMAIN_STATE_ACTIVE, role=disk.ROLE_CDROM, read_only=True)
    page = inventory_service_pb2.ListDomainDisksResponse
    stub.on(
        "ListDomainDisks",
        page(disks=[first], complete=False, missing=["qemu:///system does not answer."], next_page_token="t"),
        page(disks=[disk(domain="b")], complete=True, missing=["qemu:///system does not answer."]),
    )
    disks = await client.inventory.disks(pool="images", volume="v", domain="")
    assert [(d.domain, d.domain_state, d.role) for d in disks.disks] == [
        ("a", DomainState.ACTIVE, DiskRole.CDROM),
        ("b", DomainState.UNKNOWN, DiskRole.UNKNOWN),
    ]
    assert (disks.complete, disks.missing) == (False, ("qemu:///system does not answer.",))
    assert stub.sent("ListDomainDisks")[0].filter.volume == "v"
