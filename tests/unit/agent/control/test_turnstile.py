"""A crowd passes one at a time, and rests in between; who comes alone does not wait."""

from __future__ import annotations

import asyncio

import pytest

from poolfleet_agent.control.turnstile import Turnstile

LONGEST_S = 0.01


@pytest.fixture
def rests(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was rested each time."""
    taken: list[float] = []
    sleep = asyncio.sleep

    async def rest(seconds: float) -> None:
        taken.append(seconds)
        await sleep(seconds)

    monkeypatch.setattr("poolfleet_agent.control.turnstile.asyncio.sleep", rest)
    return taken


async def passed(turnstile: Turnstile, key: str, number: int, told: list[str], inside: asyncio.Event) -> None:
    async with turnstile.turn(key):
        told.append(f"{number} in")
        await inside.wait()
        told.append(f"{number} out")


async def test_who_comes_alone_passes_at_once_each_time(rests: list[float]) -> None:
    turnstile, told, inside = Turnstile(rest=1.0, longest_rest_s=LONGEST_S), list[str](), asyncio.Event()
    inside.set()
    for number in range(3):
        await passed(turnstile, "a", number, told, inside)
    assert rests == []


async def test_a_crowd_passes_in_its_order_one_at_a_time_and_each_rests_as_long_as_told(rests: list[float]) -> None:
    turnstile, told, inside = Turnstile(rest=1e9, longest_rest_s=LONGEST_S), list[str](), asyncio.Event()
    async with asyncio.TaskGroup() as crowd:
        for number in range(3):
            crowd.create_task(passed(turnstile, "a", number, told, inside))
        await asyncio.sleep(0)
        rests.clear()
        assert told == ["0 in"]
        inside.set()
    assert told == ["0 in", "0 out", "1 in", "1 out", "2 in", "2 out"]
    assert rests == [LONGEST_S, LONGEST_S]


async def test_a_rest_is_no_longer_than_what_was_before_it_calls_for(rests: list[float]) -> None:
    turnstile, told, inside = Turnstile(rest=0.0, longest_rest_s=60.0), list[str](), asyncio.Event()
    inside.set()
    async with asyncio.timeout(30):
        await asyncio.gather(*(passed(turnstile, "a", number, told, inside) for number in range(3)))
    assert set(rests) <= {0.0}


async def test_another_key_is_another_crowd(rests: list[float]) -> None:
    turnstile, told, inside = Turnstile(rest=1.0, longest_rest_s=LONGEST_S), list[str](), asyncio.Event()
    async with asyncio.TaskGroup() as crowd:
        for number, key in enumerate("ab"):
            crowd.create_task(passed(turnstile, key, number, told, inside))
        await asyncio.sleep(0)
        assert told == ["0 in", "1 in"]
        inside.set()


async def test_who_fails_or_leaves_lets_the_next_one_pass(rests: list[float]) -> None:
    turnstile, told, inside = Turnstile(rest=1.0, longest_rest_s=LONGEST_S), list[str](), asyncio.Event()

    async def failed() -> None:
        async with turnstile.turn("a"):
            await inside.wait()
            raise ValueError

    failing = asyncio.create_task(failed())
    leaving = asyncio.create_task(passed(turnstile, "a", 1, told, inside))
    last = asyncio.create_task(passed(turnstile, "a", 2, told, inside))
    await asyncio.sleep(0)
    leaving.cancel()
    inside.set()
    async with asyncio.timeout(30):
        await asyncio.wait([failing, leaving, last])
    assert isinstance(failing.exception(), ValueError)
    assert told == ["2 in", "2 out"]
