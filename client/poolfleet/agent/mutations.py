"""How every mutation ends: waited for and raised, or handed back as it runs."""

from __future__ import annotations

from poolfleet.agent.convert.operations import operation as converted
from poolfleet.transport import calls
from poolfleet.transport.calls import MutationT, RecordedT, UnaryMethod
from poolfleet.transport.connection import Connection
from poolfleet.types.errors import StillRunning
from poolfleet.types.operation import Operation
from poolfleet.v1 import operation_pb2


async def run(
    connection: Connection,
    method: UnaryMethod[MutationT, RecordedT],
    request: MutationT,
    request_id: str | None,
    timeout_s: float | None,
    *,
    wait: bool,
    to_its_end: bool = False,
) -> Operation:
    """Send a mutation. With `wait` it has ended well on return, else its error or StillRunning is raised.

    to_its_end: wait as long as the agent gives the operation, where that is longer than the timeout.
    """
    if not wait:
        message = await calls.submit(connection, method, request, request_id=request_id, timeout_s=timeout_s)
        return converted(message, host=connection.name)
    message = await calls.mutate(
        connection, method, request, request_id=request_id, timeout_s=timeout_s, to_its_end=to_its_end
    )
    return ended(connection, message)


def ended(connection: Connection, message: operation_pb2.Operation) -> Operation:
    """Return an operation that was waited for; raises StillRunning where it goes on."""
    operation = converted(message, host=connection.name)
    # What only validates has no id, and nothing to wait for.
    if operation.id and not operation.ended:
        text = f"Operation {operation.id} is still {operation.state} on the agent."
        raise StillRunning(text, operation=operation, host=connection.name)
    return operation
