"""Looks at one thing are serial, and who asks while one runs shares the next: none began before it was asked for.

A look belongs to nobody who asked: it goes on when they leave, and ends with `close`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import structlog

from poolfleet_agent.inventory.locks import Locks
from poolfleet_agent.model.errors import ModelError

T = TypeVar("T")

LONGEST_REST_S = 0.25

log = structlog.get_logger(__name__)


class Turns(Generic[T]):
    """Does `work` for keys: for each key one at a time, and once for all who wait."""

    def __init__(
        self,
        name: str,
        work: Callable[[str], Awaitable[T]],
        *,
        rest: float = 0.0,
        is_crowded: Callable[[str], bool] = lambda _: True,
    ) -> None:
        """`name` is for the log. `rest`: after each there is none for so many times as long as it took, at most
        LONGEST_REST_S: who asks meanwhile shares the next, however many they are. Not so of keys that are not crowded,
        where nobody else is to come.
        """
        self._name = name
        self._work = work
        self._rest = rest
        self._is_crowded = is_crowded
        self._rested_at_s: dict[str, float] = {}
        self._locks = Locks()
        self._coming: dict[str, asyncio.Task[T]] = {}
        self._tasks: set[asyncio.Task[T]] = set()

    async def ask(self, key: str = "") -> T:
        """What `work` gives or raises, once it began after this call."""
        task = self._coming.get(key)
        if task is None:
            task = asyncio.create_task(self._in_turn(key), name=f"{self._name} {key}")
            self._coming[key] = task
            self._tasks.add(task)
            task.add_done_callback(self._done)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """End what runs and wait for it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _in_turn(self, key: str) -> T:
        now_s = asyncio.get_running_loop().time
        async with self._locks.of(key):
            if (tired_s := self._rested_at_s.pop(key, 0.0) - now_s()) > 0 and self._is_crowded(key):
                await asyncio.sleep(tired_s)
            self._coming.pop(key, None)  # who comes from here on needs a newer one
            began_s = now_s()
            try:
                return await self._work(key)
            finally:
                if self._rest:
                    ended_s = now_s()
                    self._rested_at_s[key] = ended_s + min(self._rest * (ended_s - began_s), LONGEST_REST_S)

    def _done(self, task: "asyncio.Task[T]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, ModelError):
            log.error("look failed", task=task.get_name(), error=repr(error))
