"""The bounded pool of threads: its caps, its queue, and what becomes of calls that hang."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from poolfleet_agent.hypervisor.calls import CallLimits, Calls
from poolfleet_agent.model.errors import ModelError, Reason

# Far more than anything here takes.
LIMIT_S = 20.0


class Hung:
    """A blocking function that comes back when told to, and counts who is inside."""

    def __init__(self) -> None:
        self.inside = 0
        self._release = threading.Event()
        self._lock = threading.Lock()

    def __call__(self) -> str:
        with self._lock:
            self.inside += 1
        self._release.wait(LIMIT_S)
        return "back"

    def release(self) -> None:
        self._release.set()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not condition():
            await asyncio.sleep(0.001)


@pytest.fixture
async def calls() -> AsyncIterator[Calls]:
    calls = Calls(CallLimits(total=4, network=3, server=2, waiting=3, waiting_network=2))
    yield calls
    calls.close()


@pytest.fixture
def hung() -> Iterator[Hung]:
    hung = Hung()
    yield hung
    hung.release()


def begin(calls: Calls, work: Callable[[], str], server: str | None = None) -> asyncio.Task[str]:
    return asyncio.create_task(calls.run(work, timeout_s=LIMIT_S, server=server))


async def test_the_result_and_the_error_are_the_works_own(calls: Calls) -> None:
    assert await calls.run(lambda: 5, timeout_s=LIMIT_S) == 5
    with pytest.raises(ZeroDivisionError):
        await calls.run(lambda: 1 // 0, timeout_s=LIMIT_S)
    assert calls.counters.in_flight == 0


async def test_no_more_run_than_there_are_places(calls: Calls, hung: Hung) -> None:
    tasks = [begin(calls, hung) for _ in range(6)]
    await until(lambda: hung.inside == 4)
    assert (calls.counters.in_flight, calls.counters.waiting) == (4, 2)
    hung.release()
    assert await asyncio.gather(*tasks) == ["back"] * 6
    assert (calls.counters.in_flight, calls.counters.waiting, calls.counters.waited) == (0, 0, 2)


async def test_network_calls_leave_places_for_local_ones(calls: Calls, hung: Hung) -> None:
    tasks = [begin(calls, hung, server) for server in ("a", "b", "c", "d")]
    await until(lambda: hung.inside == 3)
    assert calls.counters.waiting == 1
    assert await calls.run(lambda: "local", timeout_s=LIMIT_S) == "local"
    hung.release()
    assert await asyncio.gather(*tasks) == ["back"] * 4


async def test_one_server_leaves_places_for_others(calls: Calls, hung: Hung) -> None:
    tasks = [begin(calls, hung, "a") for _ in range(3)]
    await until(lambda: hung.inside == 2)
    assert await calls.run(lambda: "other", timeout_s=LIMIT_S, server="b") == "other"
    hung.release()
    await asyncio.gather(*tasks)


async def test_a_full_queue_refuses(calls: Calls, hung: Hung) -> None:
    tasks = [begin(calls, hung) for _ in range(4 + 3)]
    await until(lambda: calls.counters.waiting == 3)
    with pytest.raises(ModelError) as refused:
        await calls.run(hung, timeout_s=LIMIT_S)
    assert refused.value.reason is Reason.TOO_BUSY
    assert refused.value.retry_delay_s
    assert calls.counters.refused == 1
    hung.release()
    await asyncio.gather(*tasks)


async def test_waiting_network_calls_leave_room_in_the_queue(calls: Calls, hung: Hung) -> None:
    tasks = [begin(calls, hung, "a") for _ in range(2 + 2)]
    await until(lambda: calls.counters.waiting == 2)
    with pytest.raises(ModelError) as refused:
        await calls.run(hung, timeout_s=LIMIT_S, server="a")
    assert refused.value.reason is Reason.TOO_BUSY
    hung.release()
    await asyncio.gather(*tasks)


async def test_a_limit_ends_the_wait_and_not_the_call(calls: Calls, hung: Hung) -> None:
    with pytest.raises(ModelError) as late:
        await calls.run(hung, timeout_s=0.05, late=Reason.LIBVIRT_UNAVAILABLE)
    assert (late.value.reason, late.value.metadata["timeout_s"]) == (Reason.LIBVIRT_UNAVAILABLE, "0.05")
    assert (calls.counters.in_flight, calls.counters.hung) == (1, 1)
    hung.release()
    await until(lambda: calls.counters.in_flight == 0)
    assert calls.counters.hung == 0


async def test_a_limit_that_ends_before_a_place_came_free_says_so(calls: Calls, hung: Hung) -> None:
    tasks = [begin(calls, hung) for _ in range(4)]
    await until(lambda: hung.inside == 4)
    with pytest.raises(ModelError) as late:
        await calls.run(hung, timeout_s=0.05)
    assert late.value.reason is Reason.TOO_BUSY
    assert calls.counters.waiting == 0
    hung.release()
    await asyncio.gather(*tasks)
    assert hung.inside == 4


async def test_a_cancelled_caller_goes_at_once_and_the_call_keeps_its_place(calls: Calls, hung: Hung) -> None:
    told: list[str] = []
    task = asyncio.create_task(calls.run(hung, timeout_s=LIMIT_S, abandoned=lambda: told.append("abandoned")))
    await until(lambda: hung.inside == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (calls.counters.in_flight, calls.counters.hung, told) == (1, 1, ["abandoned"])
    hung.release()
    await until(lambda: calls.counters.in_flight == 0)


async def test_a_cancelled_caller_that_still_waited_leaves_nothing(calls: Calls, hung: Hung) -> None:
    tasks = [begin(calls, hung) for _ in range(5)]
    await until(lambda: hung.inside == 4)
    tasks[4].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[4]
    assert (calls.counters.waiting, calls.counters.hung) == (0, 0)
    hung.release()
    assert await asyncio.gather(*tasks[:4]) == ["back"] * 4


async def test_hung_calls_of_one_server_never_close_the_others(calls: Calls, hung: Hung) -> None:
    for _ in range(2):
        with pytest.raises(ModelError):
            await calls.run(hung, timeout_s=0.05, server="dead")
    assert calls.counters.hung == 2
    assert await calls.run(lambda: "alive", timeout_s=LIMIT_S, server="other") == "alive"
    with pytest.raises(ModelError) as refused:
        await calls.run(hung, timeout_s=0.05, server="dead")
    assert refused.value.reason is Reason.TOO_BUSY


async def test_closing_refuses_what_waits_and_what_comes(calls: Calls, hung: Hung) -> None:
    tasks = [begin(calls, hung) for _ in range(5)]
    await until(lambda: hung.inside == 4)
    calls.close()
    for call in (tasks[4], begin(calls, hung)):
        with pytest.raises(ModelError) as refused:
            await call
        assert refused.value.reason is Reason.AGENT_STOPPING
    hung.release()
    assert await asyncio.gather(*tasks[:4]) == ["back"] * 4


async def test_the_calls_about_a_pool_can_be_waited_for_when_their_callers_are_gone(calls: Calls, hung: Hung) -> None:
    with pytest.raises(ModelError):
        await calls.run(hung, timeout_s=0.01, pool="p")
    assert (calls.hangs("p"), calls.hangs("another")) == (True, False)
    async with asyncio.timeout(LIMIT_S):
        await calls.until_back("another")
    waiting = asyncio.create_task(calls.until_back("p"))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    hung.release()
    async with asyncio.timeout(LIMIT_S):
        await waiting
    assert calls.counters.hung == 0


async def test_what_waited_is_not_done_where_its_proof_fails_when_its_turn_comes(calls: Calls, hung: Hung) -> None:
    mounted, done = True, []

    def proven() -> None:
        if not mounted:
            raise ModelError(Reason.UNMOUNTED, "nothing is mounted")

    await calls.run(lambda: done.append("at once"), timeout_s=LIMIT_S, proven=proven)
    tasks = [begin(calls, hung) for _ in range(4)]
    await until(lambda: hung.inside == 4)
    waiting = asyncio.create_task(calls.run(lambda: done.append("late"), timeout_s=LIMIT_S, proven=proven))
    await until(lambda: calls.counters.waiting == 1)
    mounted = False
    hung.release()
    with pytest.raises(ModelError, match="nothing is mounted"):
        await waiting
    await asyncio.gather(*tasks)
    assert done == ["at once"]
    assert (calls.counters.in_flight, calls.counters.hung, calls.counters.waiting) == (0, 0, 0)


async def test_a_call_that_may_wait_for_a_server_and_takes_long_is_taken_for_hung(
    calls: Calls, hung: Hung, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("poolfleet_agent.hypervisor.calls.LONG_S", 0.01)
    running = [
        asyncio.create_task(calls.run(hung, timeout_s=LIMIT_S, pool=pool, server=server))
        for pool, server in (("far", "nfs"), ("near", None))
    ]
    await until(lambda: calls.hangs("far"))
    assert not calls.hangs("near")
    hung.release()
    await asyncio.gather(*running)
    assert not calls.hangs("far")
