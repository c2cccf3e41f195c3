"""Has a store written by one thread, and what waits for it at the same time written at once.

So a fleet of a thousand hosts that all have something to say costs some tens of transactions. None of them is told that
its part is stored before all of it is.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from poolfleet.inventory.store.port import InventoryStore

T = TypeVar("T")

_AT_ONCE = 64
"""Calls that share a transaction: what they store is in memory until its end."""

_Call = Callable[[], Any]


class StoreWriter:
    """The thread. Belongs to one event loop."""

    def __init__(self, store: InventoryStore) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="poolfleet-store")
        self._waiting: deque[tuple[_Call, asyncio.Future[Any]]] = deque()
        self._work: asyncio.Task[None] | None = None

    async def alone(self, call: Callable[[], T]) -> T:
        """Run a call by itself."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def submit(self, call: Callable[[], T]) -> asyncio.Future[T]:
        """Run a call together with others; the future has what comes of it, once that is stored.

        Where one of them fails each is run by itself: an error is told to the one whose call it is.
        """
        result: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((call, result))
        if self._work is None:
            self._work = asyncio.create_task(self._run_waiting())
        return result

    async def close(self) -> None:
        """End the thread, when what waits is stored."""
        if self._work is not None:
            await asyncio.shield(self._work)
        await asyncio.get_running_loop().run_in_executor(None, self._thread.shutdown)

    async def _run_waiting(self) -> None:
        while self._waiting:
            some = [self._waiting.popleft() for _ in range(min(len(self._waiting), _AT_ONCE))]
            some = [(call, result) for call, result in some if not result.cancelled()]
            outcomes = await self.alone(partial(self._together, [call for call, _ in some]))
            for (_, result), outcome in zip(some, outcomes, strict=True):
                if result.cancelled():
                    continue
                if isinstance(outcome, Exception):
                    result.set_exception(outcome)
                else:
                    result.set_result(outcome)
        self._work = None

    def _together(self, calls: Sequence[_Call]) -> Sequence[object]:
        """What each call returned, or the exception that it raised."""
        try:
            with self._store.together():
                return [call() for call in calls]
        except Exception as error:  # noqa: BLE001  (whatever it is, it is told to who called)
            return [error] if len(calls) == 1 else [self._by_itself(call) for call in calls]

    @staticmethod
    def _by_itself(call: _Call) -> object:
        try:
            return call()
        except Exception as error:  # noqa: BLE001  (the same)
            return error
