"""Cancels a coroutine at a chosen await: at its first, its second, and so on until it ends before it is cut."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class CutShort(Awaitable[T], Generic[T]):
    """Runs `work` as it is, but cancels its task in the moment in which it begins to wait for the `at`-th time.

    What it waits for is cancelled then, just as when somebody cancels the task from outside. `cut`: it came to that.
    """

    def __init__(self, work: Coroutine[Any, Any, T], at: int) -> None:
        self._work = work
        self._left = at
        self.cut = False

    def __await__(self) -> Generator[Any, Any, T]:
        inner = self._work.__await__()
        step: Any = inner.send
        given: Any = None
        while True:
            try:
                awaited = step(given)
            except StopIteration as end:
                result: T = end.value
                return result
            if self._left == 0:
                self.cut = True
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
            self._left -= 1
            try:
                given, step = (yield awaited), inner.send
            except BaseException as error:  # noqa: BLE001  handed on to whom it is for
                given, step = error, inner.throw


class Waiting:
    """A port whose calls wait a turn of the event loop before and after they do something: there they can be cut."""

    def __init__(self, port: Any) -> None:
        self._port = port

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if name == "acting_as":
            return lambda user: Waiting(found(user))
        if name == "secrets":
            return Waiting(found)
        if not asyncio.iscoroutinefunction(found):
            return found

        async def call(*arguments: Any, **keywords: Any) -> Any:
            await asyncio.sleep(0)
            answer = await found(*arguments, **keywords)
            await asyncio.sleep(0)
            return answer

        return call
