"""What happens around every call: errors, bounds, callers, draining; over a real connection."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from poolfleet.v1.agent_service_pb2 import GetAgentRequest, GetAgentResponse
from poolfleet.v1.operation_service_pb2 import GetOperationRequest, WatchOperationsRequest
from poolfleet.v1.pool_service_pb2 import StartPoolRequest
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.server import logs
from poolfleet_agent.services.caller import current_caller
from poolfleet_agent.services.errors import STATUS_DETAILS_KEY
from tests.unit.agent.server.conftest import Stand

WIDE_S = 20


def reason_of(error: grpc.aio.AioRpcError) -> str:
    raw = next(value for key, value in error.trailing_metadata() or () if key == STATUS_DETAILS_KEY)
    assert isinstance(raw, bytes)
    info = ErrorInfo()
    assert Status.FromString(raw).details[0].Unpack(info)
    return info.reason


def retries(error: grpc.aio.AioRpcError) -> bool:
    raw = next(value for key, value in error.trailing_metadata() or () if key == STATUS_DETAILS_KEY)
    assert isinstance(raw, bytes)
    return any(detail.Is(RetryInfo.DESCRIPTOR) for detail in Status.FromString(raw).details)  # type: ignore[arg-type]


async def refused(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await asyncio.wait_for(call, WIDE_S)
    return caught.value


async def entered(stand: Stand) -> None:
    await asyncio.wait_for(stand.entered.acquire(), WIDE_S)


async def test_a_model_error_becomes_its_status(stand: Stand) -> None:
    async def answer(request: Any, context: Any) -> Any:
        raise ModelError(Reason.ETAG_MISMATCH, "changed meanwhile")

    stand.answer = answer
    error = await refused(stand.agents.GetAgent(GetAgentRequest()))
    assert (error.code(), error.details()) == (grpc.StatusCode.ABORTED, "changed meanwhile")
    assert reason_of(error) == "ETAG_MISMATCH"
    # A call is counted when it has ended, which its caller may hear of a moment before.
    await asyncio.wait_for(stand.counted.one.wait(), WIDE_S)
    assert stand.counted.calls == [("poolfleet.v1.AgentService/GetAgent", "ABORTED")]


async def test_what_nobody_foresaw_is_told_by_its_id_alone(stand: Stand, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")

    async def answer(request: Any, context: Any) -> Any:
        raise ZeroDivisionError("the innards: /etc/shadow")

    stand.answer = answer
    error = await refused(stand.agents.GetAgent(GetAgentRequest()))
    assert error.code() is grpc.StatusCode.INTERNAL
    assert reason_of(error) == "INTERNAL"
    assert "shadow" not in str(error)
    (line,) = [json.loads(line) for line in capsys.readouterr().err.splitlines() if "unexpectedly" in line]
    assert line["correlation_id"] in (error.details() or "")
    assert "the innards" in json.dumps(line["exception"])


async def test_the_caller_is_known_inside(stand: Stand) -> None:
    seen = []

    async def answer(request: Any, context: Any) -> Any:
        seen.append(current_caller())
        return GetAgentResponse()

    stand.answer = answer
    await stand.agents.GetAgent(GetAgentRequest())
    assert seen == ["unix"]


async def test_an_answer_may_be_encoded_already(stand: Stand) -> None:
    told = GetAgentResponse()
    told.agent.host_name = "h"

    async def answer(request: Any, context: Any) -> Any:
        return told.SerializeToString()

    stand.answer = answer
    assert await stand.agents.GetAgent(GetAgentRequest()) == told


async def test_what_is_no_message_is_the_callers_fault(stand: Stand) -> None:
    call: Any = stand.channel.unary_unary("/poolfleet.v1.AgentService/GetAgent")
    error = await refused(call(b"\xff\xff\xff"))
    assert (error.code(), reason_of(error)) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")


async def test_an_unknown_rpc_is_unimplemented(stand: Stand) -> None:
    call: Any = stand.channel.unary_unary("/poolfleet.v1.AgentService/Nothing")
    error = await refused(call(b""))
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_calls_beyond_the_bound_are_told_to_come_again(stand: Stand) -> None:
    stand.answer = stand.block
    held = [stand.agents.GetAgent(GetAgentRequest()) for _ in range(2)]
    for _ in held:
        await entered(stand)
    error = await refused(stand.agents.GetAgent(GetAgentRequest()))
    assert (error.code(), reason_of(error)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_BUSY")
    assert retries(error)
    stand.released.set()
    await asyncio.wait_for(asyncio.gather(*held), WIDE_S)
    await asyncio.wait_for(stand.agents.GetAgent(GetAgentRequest()), WIDE_S)


async def test_streams_beyond_the_bound_are_told_to_come_again(stand: Stand) -> None:
    held = [stand.operations.WatchOperations(WatchOperationsRequest()) for _ in range(2)]
    for stream in held:
        assert (await asyncio.wait_for(anext(aiter(stream)), WIDE_S)).present_state_sent
    error = await refused(anext(aiter(stand.operations.WatchOperations(WatchOperationsRequest()))))
    assert reason_of(error) == "TOO_BUSY"


async def test_a_caller_who_leaves_ends_the_work(stand: Stand) -> None:
    stand.answer = stand.block
    call = stand.agents.GetAgent(GetAgentRequest())
    await entered(stand)
    call.cancel()
    await asyncio.wait_for(stand.ended.acquire(), WIDE_S)


async def test_a_watcher_who_leaves_frees_its_place(stand: Stand) -> None:
    for _ in range(5):
        stream = stand.operations.WatchOperations(WatchOperationsRequest())
        assert (await asyncio.wait_for(anext(aiter(stream)), WIDE_S)).present_state_sent
        stream.cancel()
        await asyncio.wait_for(stand.ended.acquire(), WIDE_S)


async def test_draining_ends_streams_at_once(stand: Stand) -> None:
    stream = aiter(stand.operations.WatchOperations(WatchOperationsRequest()))
    await asyncio.wait_for(anext(stream), WIDE_S)
    stand.registrar.drain()
    error = await refused(anext(stream))
    assert (error.code(), reason_of(error)) == (grpc.StatusCode.UNAVAILABLE, "AGENT_STOPPING")
    await asyncio.wait_for(stand.ended.acquire(), WIDE_S)


async def test_draining_refuses_changes_and_new_streams_and_still_reads(stand: Stand) -> None:
    await stand.pools.StartPool(StartPoolRequest())
    stand.registrar.drain()
    error = await refused(stand.pools.StartPool(StartPoolRequest()))
    assert (error.code(), reason_of(error)) == (grpc.StatusCode.UNAVAILABLE, "AGENT_STOPPING")
    assert retries(error)
    watch = await refused(anext(aiter(stand.operations.WatchOperations(WatchOperationsRequest()))))
    assert reason_of(watch) == "AGENT_STOPPING"
    await stand.operations.GetOperation(GetOperationRequest())


async def test_draining_while_a_message_is_on_its_way_lets_it_arrive_first(stand: Stand) -> None:
    stand.before_yield = lambda: asyncio.get_running_loop().call_soon(stand.registrar.drain)
    stream = aiter(stand.operations.WatchOperations(WatchOperationsRequest()))
    assert (await asyncio.wait_for(anext(stream), WIDE_S)).present_state_sent
    error = await refused(anext(stream))
    assert (error.code(), reason_of(error)) == (grpc.StatusCode.UNAVAILABLE, "AGENT_STOPPING")


async def test_draining_ends_a_stream_that_nobody_reads(stand: Stand) -> None:
    stream = stand.operations.WatchOperations(WatchOperationsRequest())
    await entered(stand)
    stand.registrar.drain()
    await asyncio.wait_for(stand.ended.acquire(), WIDE_S)
    stream.cancel()


async def test_a_call_logs_method_caller_code_and_seconds(stand: Stand, capsys: pytest.CaptureFixture[str]) -> None:
    stand.registrar._slow_call_s = 0
    logs.configure("info", "json")
    await stand.agents.GetAgent(GetAgentRequest())
    await asyncio.wait_for(stand.agents.GetAgent(GetAgentRequest()), WIDE_S)
    line = json.loads(next(line for line in capsys.readouterr().err.splitlines() if "GetAgent" in line))
    assert (line["method"], line["caller"], line["code"]) == ("poolfleet.v1.AgentService/GetAgent", "unix", "OK")
    assert line["seconds"] > 0
