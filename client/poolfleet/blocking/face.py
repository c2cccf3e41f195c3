"""Makes blocking methods of asynchronous ones: the same name, parameters, types and words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from poolfleet.blocking.loop import run

P = ParamSpec("P")
T = TypeVar("T")
CoreT = TypeVar("CoreT")

# Lists cross from thread to thread this many items at a time: each crossing costs as much as converting ten.
LIST_ITEMS = 256


class Face(Generic[CoreT]):
    """Has the asynchronous object that it stands before."""

    def __init__(self, core: CoreT) -> None:
        self._core = core


def blocking(
    method: Callable[Concatenate[CoreT, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Face[CoreT], P], T]:
    """A method that waits for the coroutine."""

    @wraps(method)
    def waiting(self: Face[CoreT], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return run(method(self._core, *args, **kwargs))

    return waiting


def listing(
    method: Callable[Concatenate[CoreT, P], AsyncIterator[T]],
) -> Callable[Concatenate[Face[CoreT], P], Iterator[T]]:
    """A method whose iterator reads ahead by up to LIST_ITEMS."""
    return _iterating(method, LIST_ITEMS)


def streaming(
    method: Callable[Concatenate[CoreT, P], AsyncIterator[T]],
) -> Callable[Concatenate[Face[CoreT], P], Iterator[T]]:
    """A method whose iterator gives each item as it comes."""
    return _iterating(method, 1)


def _iterating(
    method: Callable[Concatenate[CoreT, P], AsyncIterator[T]], ahead: int
) -> Callable[Concatenate[Face[CoreT], P], Iterator[T]]:
    @wraps(method)
    def iterating(self: Face[CoreT], /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        source = method(self._core, *args, **kwargs)
        try:
            while items := run(_take(source, ahead)):
                yield from items
        finally:
            run(_close(source))

    return iterating


async def _take(source: AsyncIterator[T], most: int) -> list[T]:
    items: list[T] = []
    async for item in source:
        items.append(item)
        if len(items) == most:
            break
    return items


async def _close(source: AsyncIterator[Any]) -> None:
    # What iterates here is an async generator; the type does not say so.
    await source.aclose()  # type: ignore[attr-defined]
