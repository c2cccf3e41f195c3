"""Talks to an agent by its bare contract, where the client library would refuse, retry or translate."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from poolfleet.v1 import (
    agent_service_pb2,
    inventory_service_pb2,
    operation_pb2,
    operation_service_pb2,
    pool_service_pb2,
    secret_service_pb2,
    volume_service_pb2,
)

LIMIT_S = 40.0
"""How long an answer may take: far longer than any should."""

_MODULES = (
    agent_service_pb2,
    pool_service_pb2,
    volume_service_pb2,
    secret_service_pb2,
    inventory_service_pb2,
    operation_service_pb2,
)
SERVICES: tuple[ServiceDescriptor, ...] = tuple(
    service for module in _MODULES for service in module.DESCRIPTOR.services_by_name.values()
)
METHODS = {method.input_type.full_name: method for service in SERVICES for method in service.methods}
"""Every RPC by the full name of its request, which no two have in common."""

ENDED = {
    operation_pb2.OPERATION_STATE_SUCCEEDED,
    operation_pb2.OPERATION_STATE_FAILED,
    operation_pb2.OPERATION_STATE_CANCELLED,
}


@dataclass(eq=False)
class Refused(Exception):
    """An error, of a call or of an operation, by what its details say."""

    code: str
    reason: str
    message: str
    metadata: Mapping[str, str]
    retry_s: float | None

    def __str__(self) -> str:
        return f"{self.code} {self.reason}: {self.message} {dict(self.metadata)}"


def refused(status: Status) -> Refused:
    """What a status says."""
    info, retry = ErrorInfo(), RetryInfo()
    has_retry = False
    for detail in status.details:
        detail.Unpack(info)
        has_retry |= detail.Unpack(retry)
    code = next(code.name for code in grpc.StatusCode if code.value[0] == status.code)
    retry_s = retry.retry_delay.ToTimedelta().total_seconds() if has_retry else None
    return Refused(code, info.reason, status.message, dict(info.metadata), retry_s)


def path_of(request: Message) -> str:
    """The RPC that takes this message: `poolfleet.v1.PoolService/GetPool`."""
    method = METHODS[request.DESCRIPTOR.full_name]
    return f"{method.containing_service.full_name}/{method.name}"


class RawAgent:
    """An agent over one channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self._health: Any = health_pb2_grpc.HealthStub(channel)

    async def ask(self, request: Message, *, timeout_s: float = LIMIT_S) -> Any:
        """The answer to the RPC that takes this message; raises Refused."""
        method = METHODS[request.DESCRIPTOR.full_name]
        call = self.channel.unary_unary(
            f"/{path_of(request)}",
            request_serializer=_bytes,
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        return await answered(call(request, timeout=timeout_s))

    def stream(self, request: Message, *, timeout_s: float | None = LIMIT_S) -> Any:
        """The call of an RPC that answers with a stream."""
        method = METHODS[request.DESCRIPTOR.full_name]
        call = self.channel.unary_stream(
            f"/{path_of(request)}",
            request_serializer=_bytes,
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        return call(request, timeout=timeout_s)

    async def refusal(self, request: Message) -> Refused:
        """How the request is refused; fails where it is not."""
        try:
            answer = await self.ask(request)
        except Refused as error:
            return error
        raise AssertionError(f"{path_of(request)} answered: {answer}")

    async def do(self, request: Message, *, timeout_s: float = LIMIT_S) -> operation_pb2.Operation:
        """Ask for a mutation and wait for its operation to end, well or not; raises Refused where there is none."""
        return await self.ended((await self.ask(request, timeout_s=timeout_s)).operation)

    async def done(self, request: Message) -> operation_pb2.Operation:
        """As `do`; fails where it did not end well."""
        operation = await self.do(request)
        if operation.state != operation_pb2.OPERATION_STATE_SUCCEEDED:
            raise refused(operation.error)
        return operation

    async def ended(self, operation: operation_pb2.Operation) -> operation_pb2.Operation:
        """The operation once it has ended."""
        async with asyncio.timeout(2 * LIMIT_S):
            while operation.state not in ENDED:
                wait = operation_service_pb2.WaitOperationRequest(operation=operation.id)
                wait.timeout.FromMilliseconds(5000)
                operation = (await self.ask(wait)).operation
        return operation

    async def operations(self) -> dict[str, operation_pb2.Operation]:
        """All that it has recorded, by id."""
        answer = await self.ask(operation_service_pb2.ListOperationsRequest(page_size=5000))
        return {operation.id: operation for operation in answer.operations}

    async def ready(self) -> None:
        """Return when it has libvirt, and has read the host's pools."""

        async def has_read() -> bool:
            agent = (await self.ask(agent_service_pb2.GetAgentRequest())).agent
            return bool(agent.libvirt_connected and agent.registry_loaded)

        await eventually(has_read, limit_s=LIMIT_S, what="the agent has read the host's pools")

    async def health(self, service: str) -> int:
        """What the health service says of a service (`PoolService`; empty: of the whole agent)."""
        name = f"poolfleet.v1.{service}" if service else ""
        answer: HealthCheckResponse = await self._health.Check(HealthCheckRequest(service=name), timeout=LIMIT_S)
        return int(answer.status)


def _bytes(message: Message) -> bytes:
    return message.SerializeToString()


async def answered(call: Awaitable[Any]) -> Any:
    """What a call answers; raises Refused."""
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise refusal_of(error) from error


def refusal_of(error: grpc.aio.AioRpcError) -> Refused:
    """What an error of gRPC says."""
    metadata = error.trailing_metadata() or ()
    details = next((value for key, value in metadata if key == "grpc-status-details-bin"), None)
    if isinstance(details, bytes):
        return refused(Status.FromString(details))
    return Refused(error.code().name, "", error.details() or "", {}, None)


@asynccontextmanager
async def raw_agent(target: str) -> AsyncIterator[RawAgent]:
    """An agent at an address, for as long as the block lasts."""
    async with grpc.aio.insecure_channel(target, options=[("grpc.max_send_message_length", -1)]) as channel:
        yield RawAgent(channel)


async def eventually(seen: Any, *, limit_s: float, what: str) -> float:
    """Ask `seen` (a coroutine function) until it says yes; the answer is how many seconds that took."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    while not await seen():
        if loop.time() - began_s > limit_s:
            raise AssertionError(f"{what}: not within {limit_s:g} s")
        await asyncio.sleep(0.02)
    return loop.time() - began_s
