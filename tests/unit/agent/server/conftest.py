"""A folder for sockets, and a server whose every call goes through the agent's wrapper."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest

from poolfleet.v1 import (
    agent_service_pb2,
    agent_service_pb2_grpc,
    operation_service_pb2,
    operation_service_pb2_grpc,
    pool_service_pb2,
    pool_service_pb2_grpc,
)
from poolfleet_agent.server.interceptors import Registrar


@pytest.fixture
def socket_dir() -> Iterator[Path]:
    """Short enough for a socket's path, which pytest's own folders need not be."""
    with tempfile.TemporaryDirectory(prefix="pf-") as folder:
        yield Path(folder)


@dataclass
class Counted:
    """What the wrapper reports of calls that ended."""

    calls: list[tuple[str, str]] = field(default_factory=list)
    one: asyncio.Event = field(default_factory=asyncio.Event)

    def called(self, method: str, code: str, seconds: float) -> None:
        assert seconds >= 0
        self.calls.append((method, code))
        self.one.set()


async def nothing(request: Any, context: Any) -> Any:
    return agent_service_pb2.GetAgentResponse()


class Stand(
    agent_service_pb2_grpc.AgentServiceServicer,
    operation_service_pb2_grpc.OperationServiceServicer,
    pool_service_pb2_grpc.PoolServiceServicer,
):
    """A service whose answers each test sets."""

    def __init__(self, registrar: Registrar, counted: Counted, channel: grpc.aio.Channel) -> None:
        self.registrar = registrar
        self.counted = counted
        self.channel = channel
        self.answer: Callable[[Any, Any], Awaitable[Any]] = nothing
        self.before_yield: Callable[[], object] = lambda: None
        self.entered = asyncio.Semaphore(0)
        self.released = asyncio.Event()
        self.ended = asyncio.Semaphore(0)
        self.agents = agent_service_pb2_grpc.AgentServiceStub(channel)
        self.operations = operation_service_pb2_grpc.OperationServiceStub(channel)
        self.pools = pool_service_pb2_grpc.PoolServiceStub(channel)

    async def block(self, request: Any, context: Any) -> agent_service_pb2.GetAgentResponse:
        """An answer that comes when it is released."""
        self.entered.release()
        try:
            await self.released.wait()
        finally:
            self.ended.release()
        return agent_service_pb2.GetAgentResponse()

    async def GetAgent(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await self.answer(request, context)

    async def StartPool(self, request: Any, context: Any) -> pool_service_pb2.StartPoolResponse:  # noqa: N802
        return pool_service_pb2.StartPoolResponse()

    async def GetOperation(  # noqa: N802
        self, request: Any, context: Any
    ) -> operation_service_pb2.GetOperationResponse:
        return operation_service_pb2.GetOperationResponse()

    async def WatchOperations(  # noqa: N802
        self, request: Any, context: Any
    ) -> AsyncIterator[operation_service_pb2.WatchOperationsResponse]:
        self.entered.release()
        try:
            self.before_yield()
            yield operation_service_pb2.WatchOperationsResponse(present_state_sent=True)
            await self.released.wait()
        finally:
            self.ended.release()


@pytest.fixture
async def stand(socket_dir: Path) -> AsyncIterator[Stand]:
    server = grpc.aio.server()
    counted = Counted()
    registrar = Registrar(server, longest_calls=2, longest_streams=2, slow_call_s=60, metrics=counted)
    async with grpc.aio.insecure_channel(f"unix:{socket_dir}/s") as channel:
        stand = Stand(registrar, counted, channel)  # type: ignore[abstract]  # the other RPCs are not called
        registrar.register(agent_service_pb2_grpc.add_AgentServiceServicer_to_server, stand)
        registrar.register(operation_service_pb2_grpc.add_OperationServiceServicer_to_server, stand)
        registrar.register(pool_service_pb2_grpc.add_PoolServiceServicer_to_server, stand)
        server.add_insecure_port(f"unix:{socket_dir}/s")
        await server.start()
        yield stand
    await server.stop(0)
