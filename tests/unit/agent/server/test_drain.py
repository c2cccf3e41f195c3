"""The order in which an agent ends."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from poolfleet_agent.server.drain import StopSignals, drain

WIDE_S = 20


class Server:
    def __init__(self, order: list[str]) -> None:
        self.order = order
        self.grace_s: float | None = None

    async def stop(self, grace: float | None) -> None:
        self.order.append("stop")
        self.grace_s = grace


@pytest.fixture
def order() -> list[str]:
    return []


@pytest.fixture
def handlers() -> Iterator[None]:
    """The process's own handlers of the two signals, put back in the end."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


async def run(order: list[str], signals: StopSignals, work: asyncio.Event, limit_s: float) -> Server:
    server = Server(order)

    async def end_work(within_s: float) -> None:
        assert within_s == limit_s
        order.append("work begins to end")
        await work.wait()
        order.append("work ended")

    await asyncio.wait_for(
        drain(server, signals, refuse=lambda: order.append("refuse"), end_work=end_work, limit_s=limit_s), WIDE_S
    )
    return server


@pytest.mark.usefixtures("handlers")
async def test_what_is_new_is_refused_then_work_ends_then_the_server(order: list[str]) -> None:
    signals, work = StopSignals(), asyncio.Event()
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(signals.told.wait(), WIDE_S)
    asyncio.get_running_loop().call_soon(work.set)
    server = await run(order, signals, work, 60)
    assert order == ["refuse", "work begins to end", "work ended", "stop"]
    assert server.grace_s is not None
    assert server.grace_s > 0


@pytest.mark.usefixtures("handlers")
async def test_a_second_signal_waits_for_nothing(order: list[str]) -> None:
    signals = StopSignals()
    for told in (signals.told, signals.told_again):
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(told.wait(), WIDE_S)
    server = await run(order, signals, asyncio.Event(), 3600)
    assert order[0] == "refuse"
    assert order[-1] == "stop"
    assert "work ended" not in order
    assert server.grace_s == 0


@pytest.mark.usefixtures("handlers")
async def test_work_that_does_not_end_holds_nobody_up_for_ever(order: list[str]) -> None:
    signals = StopSignals()
    signals.tell()
    await run(order, signals, asyncio.Event(), 0)
    assert order[-1] == "stop"
