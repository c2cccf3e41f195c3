"""What waits for a store at the same time is stored at once, and each caller hears of his own part alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Event
from typing import cast

import pytest

from poolfleet.inventory.store.port import InventoryStore, StaleRevision
from poolfleet.inventory.writing import StoreWriter

LIMIT_S = 30.0


class Transactions:
    """A store that has nothing but transactions: what was run in each, up to its end."""

    def __init__(self) -> None:
        self.ended: list[list[str]] = []
        self._run: list[str] = []

    @contextmanager
    def together(self) -> Iterator[None]:
        self._run = []
        yield
        self.ended.append(self._run)

    def put(self, what: str) -> str:
        self._run.append(what)
        return what


@pytest.fixture
def store() -> Transactions:
    return Transactions()


@pytest.fixture
async def writer(store: Transactions) -> AsyncIterator[StoreWriter]:
    writer = StoreWriter(cast("InventoryStore", store))
    yield writer
    await writer.close()


@contextmanager
def busy(writer: StoreWriter) -> Iterator[None]:
    """The store is at work on something else within it."""
    go_on = Event()
    writer.submit(lambda: go_on.wait(LIMIT_S))
    try:
        yield
    finally:
        go_on.set()


async def test_what_waits_shares_a_transaction(writer: StoreWriter, store: Transactions) -> None:
    with busy(writer):
        await asyncio.sleep(0)
        waiting = [writer.submit(partial(store.put, what)) for what in "abc"]
        await asyncio.sleep(0)
        assert not any(each.done() for each in waiting)
    assert await asyncio.gather(*waiting) == ["a", "b", "c"]
    assert store.ended == [[], ["a", "b", "c"]]


async def test_an_error_is_its_callers_and_the_rest_is_stored(writer: StoreWriter, store: Transactions) -> None:
    def stale() -> str:
        raise StaleRevision("told before")

    with busy(writer):
        await asyncio.sleep(0)
        waiting = [writer.submit(call) for call in (lambda: store.put("a"), stale, lambda: store.put("b"))]
    first, second, third = await asyncio.gather(*waiting, return_exceptions=True)
    assert (first, third) == ("a", "b")
    assert isinstance(second, StaleRevision)


async def test_who_went_away_before_it_began_is_left_out(writer: StoreWriter, store: Transactions) -> None:
    with busy(writer):
        await asyncio.sleep(0)
        gone, stays = writer.submit(lambda: store.put("gone")), writer.submit(lambda: store.put("stays"))
        gone.cancel()
    assert await stays == "stays"
    assert store.ended == [[], ["stays"]]


async def test_what_waits_is_stored_before_it_ends(store: Transactions) -> None:
    writer = StoreWriter(cast("InventoryStore", store))
    with busy(writer):
        last = writer.submit(lambda: store.put("last"))
        closing = asyncio.create_task(writer.close())
        await asyncio.sleep(0)
    await closing
    assert last.result() == "last"
