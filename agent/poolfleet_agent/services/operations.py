"""OperationService: reads, awaits, watches and cancels operations."""

from collections.abc import AsyncIterator
from operator import attrgetter
from typing import Any

import grpc

from poolfleet.v1 import operation_pb2, operation_service_pb2, operation_service_pb2_grpc
from poolfleet_agent.control.journal import Journal
from poolfleet_agent.control.operations import Operations
from poolfleet_agent.inventory.pages import page_of
from poolfleet_agent.model.operation import Operation
from poolfleet_agent.services.convert.operations import operation_to
from poolfleet_agent.services.convert.times import seconds
from poolfleet_agent.services.pool_filter import question_of

Context = grpc.aio.ServicerContext[Any, Any]
_PB = operation_service_pb2

DEFAULT_WAIT_S = 30.0
LONGEST_WAIT_S = 600.0


class OperationServicer(operation_service_pb2_grpc.OperationServiceServicer):
    """Implements OperationService."""

    def __init__(self, operations: Operations, journal: Journal) -> None:
        """Take what runs operations and where they are recorded."""
        self._operations = operations
        self._journal = journal

    async def GetOperation(self, request: _PB.GetOperationRequest, context: Context) -> _PB.GetOperationResponse:
        """Read one."""
        return _PB.GetOperationResponse(operation=operation_to(self._journal.get(request.operation)))

    async def ListOperations(self, request: _PB.ListOperationsRequest, context: Context) -> _PB.ListOperationsResponse:
        """List, newest first."""
        wanted = _Wanted(request.filter)
        page = page_of(
            filter(wanted, self._journal.newest_first()),
            key=attrgetter("place_in_order"),
            asked_size=request.page_size,
            token=request.page_token,
            question=question_of(request.filter),
            size_bytes=lambda operation: 512 + len(operation.result),
        )
        return _PB.ListOperationsResponse(
            operations=[operation_to(operation) for operation in page.items], next_page_token=page.next_token
        )

    async def WaitOperation(self, request: _PB.WaitOperationRequest, context: Context) -> _PB.WaitOperationResponse:
        """Wait for the end."""
        timeout_s = seconds("timeout", request.timeout) if request.HasField("timeout") else DEFAULT_WAIT_S
        operation = await self._journal.wait(request.operation, min(timeout_s, LONGEST_WAIT_S))
        return _PB.WaitOperationResponse(operation=operation_to(operation))

    async def WatchOperations(
        self, request: _PB.WatchOperationsRequest, context: Context
    ) -> AsyncIterator[_PB.WatchOperationsResponse]:
        """Stream what there is, then each change."""
        ids = set(request.operations)
        for operation_id in ids:
            self._journal.get(operation_id)
        fits = _Wanted(request.filter)
        async for operation in self._journal.watch(
            lambda candidate: (not ids or candidate.id in ids) and fits(candidate)
        ):
            if operation is None:
                yield _PB.WatchOperationsResponse(present_state_sent=True)
            else:
                yield _PB.WatchOperationsResponse(operation=operation_to(operation))

    async def CancelOperation(
        self, request: _PB.CancelOperationRequest, context: Context
    ) -> _PB.CancelOperationResponse:
        """Ask for an early end."""
        return _PB.CancelOperationResponse(operation=operation_to(await self._operations.cancel(request.operation)))


class _Wanted:
    """Whether an operation fits a filter. Unknown states and kinds fit nothing."""

    def __init__(self, message: _PB.OperationFilter) -> None:
        self._states = set(map(_state_name, message.states))
        self._kinds = set(map(_kind_name, message.kinds))
        self._pools = set(message.pools)

    def __call__(self, operation: Operation) -> bool:
        return (
            (not self._states or operation.state in self._states)
            and (not self._kinds or operation.kind in self._kinds)
            and (not self._pools or operation.pool in self._pools)
        )


def _state_name(value: operation_pb2.OperationState.ValueType) -> str:
    known = operation_pb2.OperationState.DESCRIPTOR.values_by_number.get(value)
    return known.name.removeprefix("OPERATION_STATE_") if known else str(value)


def _kind_name(value: operation_pb2.OperationKind.ValueType) -> str:
    known = operation_pb2.OperationKind.DESCRIPTOR.values_by_number.get(value)
    return known.name.removeprefix("OPERATION_KIND_") if known else str(value)
