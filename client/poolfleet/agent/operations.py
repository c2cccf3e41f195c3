"""The operations of one agent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from poolfleet.agent import mutations
from poolfleet.agent.convert.operations import operation as converted
from poolfleet.agent.convert.outgoing import operation_filter, representable
from poolfleet.agent.paging import pages
from poolfleet.transport import calls
from poolfleet.transport.connection import Connection
from poolfleet.types.operation import Operation, OperationKind, OperationState
from poolfleet.v1 import operation_service_pb2 as pb


class Operations:
    """Reads, awaits and cancels operations; ended ones are remembered for a day."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # `id` is what an operation's field is called, too.
    async def get(self, id: str, *, timeout_s: float | None = None) -> Operation:  # noqa: A002
        """Read one operation. One that failed is returned with its `error`, not raised."""
        with representable:
            request = pb.GetOperationRequest(operation=id)
        answer = await calls.read(self._connection, self._connection.operations.GetOperation, request, timeout_s)
        return converted(answer.operation, host=self._connection.name)

    async def list(
        self,
        *,
        states: Sequence[OperationState] = (),
        kinds: Sequence[OperationKind] = (),
        pools: Sequence[str] = (),
        page_size: int = 0,
        timeout_s: float | None = None,
    ) -> AsyncIterator[Operation]:
        """Read the operations that all given conditions fit, newest first; empty: any. timeout_s is each page's own."""
        with representable:
            request = pb.ListOperationsRequest(filter=operation_filter(states, kinds, pools), page_size=page_size)
        async for page in pages(self._connection, self._connection.operations.ListOperations, request, timeout_s):
            for message in page.operations:
                yield converted(message, host=self._connection.name)

    async def wait(self, id: str, *, timeout_s: float | None = None) -> Operation:  # noqa: A002
        """Wait until it has ended well; raises its error where it failed, StillRunning where the time is up."""
        with representable:
            message = await calls.wait(self._connection, id, timeout_s)
        return mutations.ended(self._connection, message)

    async def watch(
        self,
        ids: Sequence[str] = (),
        *,
        states: Sequence[OperationState] = (),
        kinds: Sequence[OperationKind] = (),
        pools: Sequence[str] = (),
        timeout_s: float | None = None,
    ) -> AsyncIterator[Operation]:
        """Yield each operation that fits as it stands now, then after each change, without end.

        A slow reader gets the newest state of each, not every step. Raises Unavailable where the connection is lost;
        a new watch begins with the present state again. timeout_s None: no limit.
        """
        with representable:
            request = pb.WatchOperationsRequest(operations=ids, filter=operation_filter(states, kinds, pools))
        method = self._connection.operations.WatchOperations
        async for response in calls.stream(self._connection, method, request, timeout_s):
            if response.HasField("operation"):
                yield converted(response.operation, host=self._connection.name)

    async def cancel(self, id: str, *, timeout_s: float | None = None) -> Operation:  # noqa: A002
        """Ask it to end early and return it as it stands. Raises FailedPrecondition (NOT_CANCELLABLE)."""
        with representable:
            request = pb.CancelOperationRequest(operation=id)
        answer = await calls.read(self._connection, self._connection.operations.CancelOperation, request, timeout_s)
        return converted(answer.operation, host=self._connection.name)
