"""A start that tries again: what is asked of the agent, and what is seen of its attempts."""

from __future__ import annotations

import asyncio

import pytest
from google.protobuf.duration_pb2 import Duration

from poolfleet.v1 import operation_pb2, operation_service_pb2, pool_service_pb2
from tests.unit.client.cli.conftest import Terminal
from tests.unit.client.cli.living_agent import LivingAgent


def _tried_three_times() -> list[operation_service_pb2.WatchOperationsResponse]:
    """A start as it is watched: a slow reader misses the second attempt's end."""
    refused = [
        operation_pb2.Attempt(
            number=n, failure="CONNECTION_REFUSED", message="tcp: refused", retry_delay=Duration(seconds=n)
        )
        for n in (1, 2)
    ]
    states = [
        operation_pb2.Operation(id="op-1", state=operation_pb2.OPERATION_STATE_RUNNING, attempts=attempts)
        for attempts in (refused[:1], [*refused, operation_pb2.Attempt(number=3)])
    ]
    states.append(operation_pb2.Operation(id="op-1", state=operation_pb2.OPERATION_STATE_SUCCEEDED, changed=True))
    return [operation_service_pb2.WatchOperationsResponse(operation=each) for each in states]


@pytest.mark.parametrize("verb", ["start", "restart"])
async def test_a_start_says_each_attempt_that_failed_once(agent: LivingAgent, poolfleet: Terminal, verb: str) -> None:
    agent.has_pool("p")
    agent.on("StartPool", pool_service_pb2.StartPoolResponse(operation=_tried_three_times()[0].operation))
    agent.on("WatchOperations", [*_tried_three_times(), ...])
    ran = await poolfleet("pool", verb, "p", "--retry-deadline", "2m", "--attempts", "9", "--first-delay", "1.5")
    assert (ran.code, ran.out) == (0, f"pool p {verb}ed\n")
    assert [line.partition(": ")[2] for line in ran.err.splitlines()] == [
        "attempt 1: CONNECTION_REFUSED: tcp: refused; next try in 1s",
        "attempt 2: CONNECTION_REFUSED: tcp: refused; next try in 2s",
    ]
    retry = agent.sent("StartPool")[-1].retry
    assert (retry.deadline.seconds, retry.attempts, retry.first_delay.ToMilliseconds()) == (120, 9, 1500)
    assert not retry.HasField("longest_delay")


async def test_ensure_shows_the_start_that_it_waits_for(agent: LivingAgent, poolfleet: Terminal) -> None:
    shown = asyncio.Event()

    async def slowly(request: object) -> pool_service_pb2.StartPoolResponse:
        await agent.was_called("WatchOperations")
        await asyncio.wait_for(shown.wait(), 60)
        return await agent.StartPool(request)

    agent.on("StartPool", slowly)
    agent.on("WatchOperations", [*_tried_three_times()[:2], ...])
    process = await poolfleet.start("pool", "ensure", "p", "--type", "dir", "--target", "/p", "--attempts", "3")
    assert process.stderr is not None
    first = await asyncio.wait_for(process.stderr.readline(), 60)
    shown.set()
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert b"attempt 1: CONNECTION_REFUSED" in first
    assert out == b"pool p defined, autostart, started\n"
    watched = agent.sent("WatchOperations")[0].filter
    assert (list(watched.pools), list(watched.kinds)) == (["p"], [operation_pb2.OPERATION_KIND_START_POOL])
    assert agent.sent("StartPool")[-1].retry.attempts == 3
