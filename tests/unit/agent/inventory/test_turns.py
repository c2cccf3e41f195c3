"""Looks are shared by those who ask while one runs, or in the rest after one; none began before it was asked for."""

from __future__ import annotations

import asyncio

import pytest

from poolfleet_agent.inventory import turns as module
from poolfleet_agent.inventory.turns import Turns

YEAR = 3e7


class Looks:
    """Counts looks by what is looked at; none ends before `open`."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.open = asyncio.Event()
        self.open.set()

    async def look(self, key: str) -> int:
        self.begun.append(key)
        await self.open.wait()
        return len(self.begun)


@pytest.fixture
def rested(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set: the rest after a look, which is endless else, is over."""
    over = asyncio.Event()

    async def rest(seconds: float) -> None:
        assert seconds > 0
        await over.wait()

    monkeypatch.setattr(module, "LONGEST_REST_S", YEAR)
    monkeypatch.setattr(module, "asyncio", Asyncio(rest))
    return over


class Asyncio:
    """The module, with another `sleep`."""

    def __init__(self, sleep: object) -> None:
        self.sleep = sleep

    def __getattr__(self, name: str) -> object:
        return getattr(asyncio, name)


async def test_who_asks_while_one_runs_shares_the_next() -> None:
    looks = Looks()
    turns = Turns("look", looks.look)
    looks.open.clear()
    first = asyncio.create_task(turns.ask("a"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    later = [asyncio.create_task(turns.ask("a")) for _ in range(3)]
    await asyncio.sleep(0)
    looks.open.set()
    assert await first == 1
    assert await asyncio.gather(*later) == [2, 2, 2]
    assert await turns.ask("a") == 3, "nobody rests who was not told to"


async def test_who_asks_in_the_rest_after_one_shares_the_next_and_of_others_there_is_none(
    rested: asyncio.Event,
) -> None:
    looks = Looks()
    turns = Turns("look", looks.look, rest=1e12)
    assert await turns.ask("a") == 1
    waiting = []
    for _ in range(3):
        waiting.append(asyncio.create_task(turns.ask("a")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert await turns.ask("b") == 2
    assert looks.begun == ["a", "b"]
    rested.set()
    assert await asyncio.gather(*waiting) == [3, 3, 3]


async def test_where_nobody_else_is_at_work_there_is_no_rest(rested: asyncio.Event) -> None:
    looks, crowded = Looks(), {"a"}
    turns = Turns("look", looks.look, rest=1e12, is_crowded=crowded.__contains__)
    await turns.ask("a")
    crowded.clear()
    assert await turns.ask("a") == 2


async def test_a_rest_is_in_proportion_to_what_was_before_it(rested: asyncio.Event) -> None:
    looks = Looks()
    turns = Turns("look", looks.look, rest=1e-9)
    for number in range(1, 4):
        assert await turns.ask("a") == number


async def test_what_waits_for_the_end_of_a_rest_ends_with_its_owner(rested: asyncio.Event) -> None:
    looks = Looks()
    turns = Turns("look", looks.look, rest=1e12)
    await turns.ask("a")
    waiting = asyncio.create_task(turns.ask("a"))
    await asyncio.sleep(0)
    await turns.close()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert looks.begun == ["a"]
