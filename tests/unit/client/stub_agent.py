"""An agent of a test's own: the real servicers over a real UNIX socket, answering what the test says."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from poolfleet.v1 import (
    agent_service_pb2_grpc,
    inventory_service_pb2_grpc,
    operation_pb2,
    operation_service_pb2_grpc,
    pool_service_pb2_grpc,
    secret_service_pb2_grpc,
    volume_service_pb2_grpc,
)

SERVICES = (
    (agent_service_pb2_grpc.AgentServiceServicer, agent_service_pb2_grpc.add_AgentServiceServicer_to_server),
    (
        inventory_service_pb2_grpc.InventoryServiceServicer,
        inventory_service_pb2_grpc.add_InventoryServiceServicer_to_server,
    ),
    (
        operation_service_pb2_grpc.OperationServiceServicer,
        operation_service_pb2_grpc.add_OperationServiceServicer_to_server,
    ),
    (pool_service_pb2_grpc.PoolServiceServicer, pool_service_pb2_grpc.add_PoolServiceServicer_to_server),
    (secret_service_pb2_grpc.SecretServiceServicer, secret_service_pb2_grpc.add_SecretServiceServicer_to_server),
    (volume_service_pb2_grpc.VolumeServiceServicer, volume_service_pb2_grpc.add_VolumeServiceServicer_to_server),
)

Handler = Callable[[Any], Awaitable[Message]]


@dataclass
class Refusal(Exception):
    """An error as an agent sends it: of an RPC, or (by `status`) of an operation."""

    code: grpc.StatusCode
    reason: str
    message: str = "It is refused."
    metadata: Mapping[str, str] = field(default_factory=dict)
    retry_delay_s: float | None = None
    violations: Mapping[str, str] = field(default_factory=dict)

    @property
    def status(self) -> status_pb2.Status:
        details: list[Message] = [
            error_details_pb2.ErrorInfo(domain="poolfleet", reason=self.reason, metadata=self.metadata)
        ]
        if self.violations:
            wrong = [
                error_details_pb2.BadRequest.FieldViolation(field=name, description=text)
                for name, text in self.violations.items()
            ]
            details.append(error_details_pb2.BadRequest(field_violations=wrong))
        if self.retry_delay_s is not None:
            delay = Duration()
            delay.FromNanoseconds(int(self.retry_delay_s * 1e9))
            details.append(error_details_pb2.RetryInfo(retry_delay=delay))
        # What a client does not know is passed over.
        details.append(error_details_pb2.ResourceInfo(resource_type="pool", resource_name="a"))
        packed = []
        for detail in details:
            packed.append(AnyMessage())
            packed[-1].Pack(detail)
        return status_pb2.Status(code=self.code.value[0], message=self.message, details=packed)


@dataclass
class Bare(Exception):
    """An error that no agent sends: a status without details, as gRPC makes them itself."""

    code: grpc.StatusCode


class StubAgent:
    """Answers RPCs by name with what `on` was given, one answer after another, the last for ever.

    `requests` has what came, in order; `left` is set when a held stream has lost its reader. An answer is a message, a
    Refusal, a Bare, or a coroutine function of the request; for streams a list of messages, where `...` holds the
    stream open for ever and a Bare ends it.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="stub-"))
        self.requests: list[tuple[str, Any]] = []
        self.left = asyncio.Event()
        self._answers: dict[str, list[Any]] = {}
        self._server: grpc.aio.Server | None = None

    @property
    def target(self) -> str:
        return f"unix:{self.folder}/agent.sock"

    def on(self, rpc: str, *answers: Any) -> None:
        self._answers[rpc] = list(answers)

    def sent(self, rpc: str) -> list[Any]:
        return [request for name, request in self.requests if name == rpc]

    @property
    def called(self) -> list[str]:
        return [name for name, _ in self.requests]

    async def start(self, credentials: grpc.ServerCredentials | None = None) -> int:
        """Listen: on the UNIX socket, and with credentials on a port of loopback, which is returned."""
        self._server = grpc.aio.server()
        for base, add in SERVICES:
            names = [name for name in vars(base) if name[0].isupper()]
            servicer = type(base.__name__, (base,), {name: self._method(name) for name in names})()
            add(servicer, self._server)
        self._server.add_insecure_port(self.target)
        port = self._server.add_secure_port("localhost:0", credentials) if credentials else 0
        await self._server.start()
        return port

    async def stop(self) -> None:
        """Cut every connection off."""
        if self._server is not None:
            server, self._server = self._server, None
            await server.stop(None)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        shutil.rmtree(self.folder)

    def _method(self, name: str) -> Any:
        async def unary(servicer: Any, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            answer = self._next(name, request)
            try:
                return await answer(request) if callable(answer) else _raised(answer)
            except Refusal as refusal:
                await context.abort_with_status(rpc_status.to_status(refusal.status))
            except Bare as bare:
                await context.abort(bare.code, "of gRPC's own saying")

        async def stream(
            servicer: Any, request: Any, context: grpc.aio.ServicerContext[Any, Any]
        ) -> AsyncIterator[Any]:
            for answer in self._next(name, request):
                if isinstance(answer, Bare):
                    await context.abort(answer.code, "of gRPC's own saying")
                if isinstance(answer, Refusal):
                    await context.abort_with_status(rpc_status.to_status(answer.status))
                if answer is ...:
                    try:
                        await asyncio.Event().wait()
                    finally:
                        self.left.set()
                yield answer

        return stream if name in ("WatchOperations", "WatchInventory") else unary

    def _next(self, name: str, request: Any) -> Any:
        self.requests.append((name, type(request).FromString(request.SerializeToString())))
        answers = self._answers[name]
        return answers.pop(0) if len(answers) > 1 else answers[0]


def _raised(answer: Any) -> Any:
    if isinstance(answer, Exception):
        raise answer
    return answer


def succeeded(id: str = "op-1", *, changed: bool = True, **fields: Any) -> operation_pb2.Operation:  # noqa: A002
    return operation_pb2.Operation(id=id, state=operation_pb2.OPERATION_STATE_SUCCEEDED, changed=changed, **fields)


def running(id: str = "op-1") -> operation_pb2.Operation:  # noqa: A002
    return operation_pb2.Operation(id=id, state=operation_pb2.OPERATION_STATE_RUNNING)


def failed(refusal: Refusal, id: str = "op-1") -> operation_pb2.Operation:  # noqa: A002
    return operation_pb2.Operation(id=id, state=operation_pb2.OPERATION_STATE_FAILED, error=refusal.status)
