"""The three ways to call an agent: read, mutate and stream. Each with a limit, each raising our own errors only."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol, TypeAlias, TypeVar
from uuid import uuid4

import grpc

from poolfleet.transport.connection import Connection
from poolfleet.transport.deadline import Deadline
from poolfleet.transport.errors import from_call, from_status
from poolfleet.transport.retries import retrying
from poolfleet.types.errors import DeadlineExceeded
from poolfleet.v1 import operation_pb2, operation_service_pb2

# What a stub has for each RPC; named here so that what calls needs no gRPC.
UnaryMethod: TypeAlias = grpc.aio.UnaryUnaryMultiCallable
StreamMethod: TypeAlias = grpc.aio.UnaryStreamMultiCallable

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")

# The longest wait that an agent grants in one call, and what its answer may take on top.
LONGEST_WAIT_S = 600.0
ANSWER_S = 2.0

_ENDED = frozenset(
    {
        operation_pb2.OPERATION_STATE_SUCCEEDED,
        operation_pb2.OPERATION_STATE_FAILED,
        operation_pb2.OPERATION_STATE_CANCELLED,
    }
)


class Mutation(Protocol):
    """A request that carries a request id."""

    request_id: str


class Recorded(Protocol):
    """A response that carries an operation."""

    @property
    def operation(self) -> operation_pb2.Operation:
        """The operation as it stood."""


MutationT = TypeVar("MutationT", bound=Mutation)
RecordedT = TypeVar("RecordedT", bound=Recorded)


async def read(
    connection: Connection,
    method: UnaryMethod[RequestT, ResponseT],
    request: RequestT,
    timeout_s: float | None,
) -> ResponseT:
    """Call once; the channel repeats reads. `timeout_s` None: the client's own."""
    try:
        return await method(request, timeout=connection.timeout_s if timeout_s is None else timeout_s)
    except grpc.aio.AioRpcError as error:
        raise from_call(error, host=connection.name, target=connection.target) from None


async def mutate(
    connection: Connection,
    method: UnaryMethod[MutationT, RecordedT],
    request: MutationT,
    *,
    request_id: str | None,
    timeout_s: float | None,
    to_its_end: bool = False,
) -> operation_pb2.Operation:
    """Send a mutation and wait for its end, as often as need be within the timeout.

    to_its_end: for as long as the agent gives the operation, where that is longer.
    A lost connection is answered by the same request id: the agent replays what it has recorded. An operation that
    failed for a reason that passes by is followed by another, with a new id, unless the caller chose the id.
    Returns the operation as it stands; one that still runs when the time is up is returned, not raised.
    """
    deadline = _deadline(connection, timeout_s)
    request.request_id = request_id or str(uuid4())

    async def attempt() -> operation_pb2.Operation:
        answer = await read(connection, method, request, deadline.remaining_s)
        if to_its_end:
            deadline.extend(_longest_s(answer.operation))
        operation = await _ended(connection, answer.operation, deadline)
        if operation.HasField("error"):
            request.request_id = str(uuid4())
            raise from_status(operation.error, host=connection.name, operation_id=operation.id)
        return operation

    own_id = request_id is not None
    policy = retrying(deadline, unless=lambda error: own_id and error.operation_id is not None)
    return await policy(attempt)


async def submit(
    connection: Connection,
    method: UnaryMethod[MutationT, RecordedT],
    request: MutationT,
    *,
    request_id: str | None,
    timeout_s: float | None,
) -> operation_pb2.Operation:
    """Send a mutation and return its operation as first answered, running or ended, failed included."""
    deadline = _deadline(connection, timeout_s)
    request.request_id = request_id or str(uuid4())

    async def attempt() -> operation_pb2.Operation:
        return (await read(connection, method, request, deadline.remaining_s)).operation

    return await retrying(deadline)(attempt)


async def wait(connection: Connection, operation_id: str, timeout_s: float | None) -> operation_pb2.Operation:
    """Wait for an operation's end, over lost connections too, and return it as it stands then.

    Raises the error of an operation that failed or was cancelled.
    """
    deadline = _deadline(connection, timeout_s)
    unread = operation_pb2.Operation(id=operation_id)

    async def attempt() -> operation_pb2.Operation:
        return await _ended(connection, unread, deadline)

    operation: operation_pb2.Operation = await retrying(deadline)(attempt)
    if operation.HasField("error"):
        raise from_status(operation.error, host=connection.name, operation_id=operation.id)
    return operation


async def stream(
    connection: Connection,
    method: StreamMethod[RequestT, ResponseT],
    request: RequestT,
    timeout_s: float | None,
) -> AsyncGenerator[ResponseT, None]:
    """Read a stream; `timeout_s` None: without end (keepalive notices a peer that is gone)."""
    call = method(request, timeout=timeout_s)
    try:
        async for response in call:
            yield response
    except grpc.aio.AioRpcError as error:
        raise from_call(error, host=connection.name, target=connection.target) from None
    finally:
        call.cancel()


async def _ended(
    connection: Connection, operation: operation_pb2.Operation, deadline: Deadline
) -> operation_pb2.Operation:
    # What only validates has no id: there is nothing to wait for. What was never read is asked for once, at least.
    unread = operation_pb2.OPERATION_STATE_UNSPECIFIED
    while operation.id and operation.state not in _ENDED and (operation.state == unread or deadline.remaining_s):
        limit_s = min(deadline.remaining_s, LONGEST_WAIT_S)
        request = operation_service_pb2.WaitOperationRequest(operation=operation.id)
        request.timeout.FromNanoseconds(int(limit_s * 1e9))
        try:
            answer = await read(connection, connection.operations.WaitOperation, request, limit_s + ANSWER_S)
        except DeadlineExceeded:
            if operation.state == unread:
                raise
            return operation
        operation = answer.operation
    return operation


def _longest_s(operation: operation_pb2.Operation) -> float:
    """How long it may last, by the agent's clock alone, and its answer's way back."""
    if not operation.HasField("deadline"):
        return 0.0
    return (operation.deadline.ToNanoseconds() - operation.created_at.ToNanoseconds()) / 1e9 + ANSWER_S


def _deadline(connection: Connection, timeout_s: float | None) -> Deadline:
    return Deadline(connection.timeout_s if timeout_s is None else timeout_s)
