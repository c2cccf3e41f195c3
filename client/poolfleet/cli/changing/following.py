"""An operation followed to its end: watched while the connection lasts, waited for where it broke.

Also the starts of a pool, which are only shown while something else waits for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from poolfleet.types.errors import PoolfleetError, StillRunning, Unavailable
from poolfleet.types.operation import OperationKind

if TYPE_CHECKING:
    from poolfleet.agent.client import AgentClient
    from poolfleet.types.operation import Operation

# What is waited for where nobody says how long: the longest that agents work at one thing.
LONGEST_S = 3600.0


async def followed(
    client: AgentClient, operation: Operation, *, timeout_s: float | None, seen: Callable[[Operation], None]
) -> Operation:
    """Return it when it has ended, however it did; `seen` is told of each change before.

    timeout_s: how long; None: as long as it takes. Raises StillRunning.
    """
    latest = operation
    try:
        async with asyncio.timeout(timeout_s):
            async for latest in client.operations.watch((operation.id,)):
                seen(latest)
                if latest.ended:
                    return latest
    except TimeoutError:
        words = f"operation {operation.id} is still {latest.state}"
        raise StillRunning(words, operation=latest, host=client.name) from None
    except Unavailable:
        # The connection was lost, the operation is not: waiting finds the agent again.
        return await _awaited(client, operation.id, timeout_s or LONGEST_S)
    return await client.operations.get(operation.id)


async def _awaited(client: AgentClient, operation_id: str, timeout_s: float) -> Operation:
    try:
        return await client.operations.wait(operation_id, timeout_s=timeout_s)
    except PoolfleetError as error:
        if error.operation_id != operation_id or isinstance(error, StillRunning):
            raise
        return await client.operations.get(operation_id)


@asynccontextmanager
async def shown_meanwhile(client: AgentClient, pool: str, *, seen: Callable[[Operation], None]) -> AsyncIterator[None]:
    """Tell `seen` of each start of a pool while the block runs, as long as the connection lasts."""

    async def show() -> None:
        # What is only shown is no reason to fail: whoever waits for the start learns why.
        with suppress(PoolfleetError):
            async for operation in client.operations.watch(kinds=(OperationKind.START_POOL,), pools=(pool,)):
                seen(operation)

    showing = asyncio.create_task(show())
    try:
        yield
    finally:
        showing.cancel()
        await asyncio.wait([showing])
