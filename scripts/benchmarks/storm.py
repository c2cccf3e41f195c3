"""Many clients that call without end: what they see of what else the agent has to do."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from poolfleet import PoolfleetError
from scripts.benchmarks.figures import Figures
from scripts.embedded.process import NotReadyError

Call = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How many clients call at once, and how long each rests between two calls, in the mean."""

    clients: int
    pause_s: float


@asynccontextmanager
async def storm(load: Load, *called: tuple[Figures, Sequence[Call]]) -> AsyncIterator[None]:
    """Within the block every client makes the calls of each kind in turn, of each kind one at a time.

    A kind that hangs holds up no other, as with clients of which each has one thing to do. Each makes a call at least,
    and what is in flight in the end is waited for. Raises NotReadyError where a call fails.
    """
    ending = asyncio.Event()
    try:
        async with asyncio.TaskGroup() as clients:
            for number in range(load.clients):
                for figures, calls in called:
                    clients.create_task(_client(number, load, figures, calls, ending))
            try:
                yield
            finally:
                ending.set()
    except* (PoolfleetError, NotReadyError) as failed:
        raise NotReadyError(f"under load: {failed.exceptions[0]!r}") from failed


async def _client(number: int, load: Load, figures: Figures, calls: Sequence[Call], ending: asyncio.Event) -> None:
    # Otherwise all would make the same call at the same time.
    for made, call in enumerate(itertools.islice(itertools.cycle(calls), number % len(calls), None)):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ending.wait(), random.uniform(0, 2 * load.pause_s))
        # At the end all are woken at once: a last call of each would be a burst that no load has.
        if made and ending.is_set():
            return
        await figures.time(call)
