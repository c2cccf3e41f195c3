"""One open for all who wait for a server's grace period, with a limit, and given up where the share falls silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from poolfleet_agent.control import grace
from poolfleet_agent.control.grace import ServerGrace
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.pool import HealthStatus
from poolfleet_agent.model.pool_source import NetfsSource
from tests.unit.agent.fake_files import FakeFiles
from tests.unit.agent.fake_host import FakeHost, pool_facts, until

TARGET = "/pools/far"
FAR = replace(pool_facts("far").definition, type="netfs", source=NetfsSource(host="10.0.0.1", path="/export"))
LIMIT_S = 10.0


class SlowFiles(FakeFiles):
    def __init__(self) -> None:
        super().__init__()
        self.opens = 0
        self.may_open = asyncio.Event()
        self.answer: ModelError | None = None

    async def open_first(self, path: str, *, timeout_s: float) -> None:
        self.opens += 1
        await self.may_open.wait()
        if self.answer is not None:
            raise self.answer


class Waiting:
    def __init__(self) -> None:
        self.fake = FakeHost(files=SlowFiles())
        self.files: SlowFiles = self.fake.files
        self.fake.watch.mount(TARGET, "10.0.0.1:/export")
        self.grace = ServerGrace(files=self.files, mounts=self.fake.pool_mounts, longest_s=LIMIT_S)
        self.said: list[str] = []

    async def say(self, message: str) -> None:
        self.said.append(message)

    async def passed(self) -> None:
        async with asyncio.timeout(2 * LIMIT_S):
            await self.grace.passed(FAR, self.say)


@pytest.fixture
async def waiting(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Waiting]:
    monkeypatch.setattr(grace, "SAID_AFTER_S", 0.01)
    waiting = Waiting()
    yield waiting
    await waiting.grace.close()


async def test_all_wait_behind_one_open_and_say_so(waiting: Waiting) -> None:
    waits = [asyncio.create_task(waiting.passed()) for _ in range(5)]
    await until(lambda: len(waiting.said) == 5)
    waiting.files.may_open.set()
    await asyncio.gather(*waits)
    assert waiting.files.opens == 1
    assert {message.partition(":")[0] for message in waiting.said} == {"SERVER_IN_GRACE"}
    await waiting.passed()
    assert (waiting.files.opens, len(waiting.said)) == (2, 5)


async def test_who_is_cancelled_leaves_the_open_to_the_others(waiting: Waiting) -> None:
    first, second = asyncio.create_task(waiting.passed()), asyncio.create_task(waiting.passed())
    await until(lambda: len(waiting.said) == 2)
    first.cancel()
    await asyncio.wait({first})
    waiting.files.may_open.set()
    await second
    assert waiting.files.opens == 1


async def test_it_is_not_waited_for_for_ever(waiting: Waiting) -> None:
    waiting.grace.longest_s = 0.01
    for _ in range(2):
        with pytest.raises(ModelError) as failed:
            await waiting.passed()
        assert failed.value.reason is Reason.SERVER_IN_GRACE
        assert failed.value.retry_delay_s
    assert waiting.files.opens == 1, "the open that waits is not made again"


async def test_a_share_that_falls_silent_meanwhile_ends_the_wait(waiting: Waiting) -> None:
    wait = asyncio.create_task(waiting.passed())
    await until(lambda: waiting.said)
    waiting.fake.watch.become(TARGET, HealthStatus.UNRESPONSIVE)
    with pytest.raises(ModelError) as failed:
        await wait
    assert failed.value.reason is Reason.POOL_UNRESPONSIVE


async def test_a_refusal_is_an_answer(waiting: Waiting) -> None:
    waiting.files.answer = ModelError(Reason.PATH_NOT_USABLE, "Permission denied")
    waiting.files.may_open.set()
    await waiting.passed()


async def test_a_local_pool_waits_for_nothing(waiting: Waiting) -> None:
    await waiting.grace.passed(pool_facts("near").definition, waiting.say)
    assert waiting.files.opens == 0
