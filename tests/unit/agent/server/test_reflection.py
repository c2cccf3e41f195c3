"""Reflection lists the services on the socket, and on TCP only where it was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from poolfleet.v1.agent_service_pb2_grpc import add_AgentServiceServicer_to_server
from poolfleet_agent.server.interceptors import Registrar
from poolfleet_agent.server.reflection import register_reflection
from tests.get_agent_only import GetAgentOnly

WIDE_S = 20


class Silent(GetAgentOnly):
    async def GetAgent(self, request: object, context: object) -> None:  # type: ignore[override]  # noqa: N802
        raise NotImplementedError


async def services_on(target: str) -> list[str]:
    async with grpc.aio.insecure_channel(target) as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(cast("Any", channel))
        stream = stub.ServerReflectionInfo(
            iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=WIDE_S
        )
        return [service.name async for answer in stream for service in answer.list_services_response.service]


async def refusal_on(target: str) -> grpc.StatusCode:
    """How the call is refused before anything is asked: what is written then may meet its end, and fail as INTERNAL."""
    async with grpc.aio.insecure_channel(target) as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(cast("Any", channel))
        code: grpc.StatusCode = await stub.ServerReflectionInfo(timeout=WIDE_S).code()
        return code


@pytest.mark.parametrize("on_tcp", [True, False])
async def test_where_reflection_answers(socket_dir: Path, on_tcp: bool) -> None:
    server = grpc.aio.server()
    registrar = Registrar(server, longest_calls=9, longest_streams=9, slow_call_s=60)
    registrar.register(add_AgentServiceServicer_to_server, Silent())
    register_reflection(registrar, on_tcp=on_tcp)
    server.add_insecure_port(f"unix:{socket_dir}/s")
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        assert "poolfleet.v1.AgentService" in await services_on(f"unix:{socket_dir}/s")
        if on_tcp:
            assert "poolfleet.v1.AgentService" in await services_on(f"127.0.0.1:{port}")
        else:
            assert await refusal_on(f"127.0.0.1:{port}") is grpc.StatusCode.UNIMPLEMENTED
    finally:
        await server.stop(0)


async def test_what_is_no_request_is_an_invalid_argument(socket_dir: Path) -> None:
    server = grpc.aio.server()
    registrar = Registrar(server, longest_calls=9, longest_streams=9, slow_call_s=60)
    register_reflection(registrar, on_tcp=False)
    server.add_insecure_port(f"unix:{socket_dir}/s")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"unix:{socket_dir}/s") as channel:
            ask: Any = channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                _ = [answer async for answer in ask(iter([b"\xff"]), timeout=WIDE_S)]
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    finally:
        await server.stop(0)
