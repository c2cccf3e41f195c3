"""When a mutation is sent again, and under which request id."""

import asyncio
from time import monotonic
from typing import Any

import grpc
import pytest
from tenacity import wait_fixed

from poolfleet import FailedPrecondition, OperationState, Unavailable
from poolfleet.aio import AgentClient
from poolfleet.transport.retries import MOST_ATTEMPTS
from poolfleet.v1 import operation_service_pb2, pool_service_pb2
from tests.unit.client.stub_agent import Bare, Refusal, StubAgent, failed, running, succeeded

LOST = Bare(grpc.StatusCode.UNAVAILABLE)
RESTARTED = Refusal(grpc.StatusCode.UNAVAILABLE, "AGENT_RESTARTED")


def started(operation: Any) -> pool_service_pb2.StartPoolResponse:
    return pool_service_pb2.StartPoolResponse(operation=operation)


def waited(operation: Any) -> operation_service_pb2.WaitOperationResponse:
    return operation_service_pb2.WaitOperationResponse(operation=operation)


def request_ids(stub: StubAgent) -> list[str]:
    return [request.request_id for request in stub.sent("StartPool")]


async def test_after_a_lost_connection_the_id_is_the_same(stub: StubAgent, client: AgentClient) -> None:
    stub.on("StartPool", LOST, LOST, started(succeeded()))
    operation = await client.pools.start("a")
    assert operation.state is OperationState.SUCCEEDED
    assert len(request_ids(stub)) == 3
    assert len(set(request_ids(stub))) == 1


async def test_so_it_is_where_the_agent_goes_away_during_the_call(stub: StubAgent, client: AgentClient) -> None:
    async def dies(request: object) -> None:
        asked.set()
        await asyncio.Event().wait()

    asked = asyncio.Event()
    stub.on("StartPool", dies, started(succeeded()))
    call = asyncio.create_task(client.pools.start("a"))
    await asyncio.wait_for(asked.wait(), 20)
    await stub.stop()
    await stub.start()
    assert (await call).state is OperationState.SUCCEEDED
    first, second = request_ids(stub)
    assert first == second


async def test_a_wait_that_loses_its_connection_asks_again_by_the_same_id(stub: StubAgent, client: AgentClient) -> None:
    stub.on("StartPool", started(running()))
    stub.on("WaitOperation", LOST, waited(succeeded()))
    assert (await client.pools.start("a")).changed
    assert stub.called == ["StartPool", "WaitOperation", "StartPool", "WaitOperation"]
    assert len(set(request_ids(stub))) == 1


async def test_a_call_that_a_stopping_server_ended_before_it_began_to_answer_is_sent_again(
    stub: StubAgent, client: AgentClient
) -> None:
    stub.on("StartPool", Bare(grpc.StatusCode.CANCELLED), started(succeeded()))
    assert (await client.pools.start("a")).state is OperationState.SUCCEEDED
    assert len(set(request_ids(stub))) == 1


async def test_after_a_failure_that_passes_by_the_id_is_new(stub: StubAgent, client: AgentClient) -> None:
    stub.on("StartPool", started(failed(RESTARTED)), started(succeeded("op-2")))
    assert (await client.pools.start("a")).id == "op-2"
    first, second = request_ids(stub)
    assert first != second


async def test_a_name_that_another_agent_is_creating_is_waited_for_as_long_as_the_caller_has_time(
    stub: StubAgent, client: AgentClient
) -> None:
    reserved = Refusal(grpc.StatusCode.ABORTED, "NAME_RESERVED", retry_delay_s=0.01)
    stub.on("StartPool", *[started(failed(reserved))] * (MOST_ATTEMPTS + 1), started(succeeded()))
    assert (await client.pools.start("a", timeout_s=60)).state is OperationState.SUCCEEDED
    assert len(set(request_ids(stub))) == MOST_ATTEMPTS + 2


async def test_a_caller_who_chose_the_id_decides_alone(stub: StubAgent, client: AgentClient) -> None:
    stub.on("StartPool", LOST, started(failed(RESTARTED)))
    with pytest.raises(Unavailable) as caught:
        await client.pools.start("a", request_id="mine")
    assert (caught.value.reason, caught.value.operation_id) == ("AGENT_RESTARTED", "op-1")
    assert request_ids(stub) == ["mine", "mine"]


async def test_a_failure_that_stays_is_raised_at_once(stub: StubAgent, client: AgentClient) -> None:
    refusal = Refusal(grpc.StatusCode.FAILED_PRECONDITION, "MOUNT_FAILED", metadata={"failure": "refused"})
    stub.on("StartPool", started(failed(refusal)))
    with pytest.raises(FailedPrecondition) as caught:
        await client.pools.start("a")
    assert caught.value.metadata == {"failure": "refused"}
    assert caught.value.operation_id == "op-1"
    assert len(request_ids(stub)) == 1


async def test_a_refusal_that_passes_by_is_tried_after_the_agents_delay(stub: StubAgent, client: AgentClient) -> None:
    times: list[float] = []

    async def busy_once(request: object) -> pool_service_pb2.StartPoolResponse:
        times.append(monotonic())
        if len(times) == 1:
            raise Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_BUSY", retry_delay_s=0.8)
        return started(succeeded())

    stub.on("StartPool", busy_once)
    await client.pools.start("a")
    assert times[1] - times[0] >= 0.8


async def test_a_delay_beyond_the_timeout_is_not_waited_for(stub: StubAgent, client: AgentClient) -> None:
    stub.on("StartPool", Refusal(grpc.StatusCode.UNAVAILABLE, "LIBVIRT_UNAVAILABLE", retry_delay_s=3600))
    with pytest.raises(Unavailable) as caught:
        await client.pools.start("a")
    assert (caught.value.reason, caught.value.retry_delay_s) == ("LIBVIRT_UNAVAILABLE", 3600)
    assert len(request_ids(stub)) == 1


async def test_tries_end(stub: StubAgent, client: AgentClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poolfleet.transport.retries.MOST_ATTEMPTS", 3)
    stub.on("StartPool", LOST)
    with pytest.raises(Unavailable) as caught:
        await client.pools.start("a")
    assert caught.value.reason == "UNREACHABLE"
    assert len(request_ids(stub)) == 3


async def test_tries_end_with_the_timeout(
    stub: StubAgent, client: AgentClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The next try would come after the timeout, which the first has plenty of.
    monkeypatch.setattr("poolfleet.transport.retries._backoff", wait_fixed(3600))
    stub.on("StartPool", LOST)
    with pytest.raises(Unavailable):
        await client.pools.start("a", timeout_s=20)
    assert len(request_ids(stub)) == 1


async def test_what_is_not_waited_for_is_tried_again_too(stub: StubAgent, client: AgentClient) -> None:
    stub.on("StartPool", LOST, started(running()))
    operation = await client.pools.start("a", wait=False)
    assert operation.state is OperationState.RUNNING
    assert len(set(request_ids(stub))) == 1
