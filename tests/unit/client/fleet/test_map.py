"""`Fleet.map`: one outcome per host whatever happens on any; caps, batches, and when it stops."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from poolfleet.agent.client import AgentClient
from poolfleet.fleet.circuit import CircuitPolicy
from poolfleet.fleet.fleet import Fleet
from poolfleet.fleet.result import Status
from poolfleet.types.errors import DeadlineExceeded, FailedPrecondition, InternalError, Unavailable
from tests.unit.client.fleet.stub_hosts import Stubs

NAMES = ("a", "b", "c", "d", "e", "f")


class Gate:
    """A call that counts how many are inside it at once, and ends once `full` of them have been."""

    def __init__(self, full: int) -> None:
        self._full = full
        self._open = asyncio.Event()
        self.inside = self.most = 0

    async def __call__(self, client: AgentClient) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        if self.inside == self._full:
            self._open.set()
        async with asyncio.timeout(20):
            await self._open.wait()
        # Whom a missing cap lets in comes in while this one is on its way there and back.
        await client.get()
        self.inside -= 1


async def name_of(client: AgentClient) -> str:
    return client.name or ""


def failing(*names: str) -> Callable[[AgentClient], Awaitable[str]]:
    async def call(client: AgentClient) -> str:
        if client.name in names:
            raise FailedPrecondition("not here", reason="POOL_IN_USE")
        return await name_of(client)

    return call


async def test_each_host_has_its_own_outcome(stubs: Stubs) -> None:
    async with Fleet([*await stubs.add("a", "b"), stubs.absent("gone")]) as fleet:
        result = await fleet.map(failing("b"))
    assert {host: outcome.status for host, outcome in result.items()} == {
        "a": Status.OK,
        "b": Status.FAILED,
        "gone": Status.UNREACHABLE,
    }
    assert result["a"].value == "a"
    assert isinstance(result["b"].error, FailedPrecondition)
    assert isinstance(result["gone"].error, Unavailable) and result["gone"].error.host == "gone"
    assert (list(result.ok), list(result.failed), list(result.unreachable)) == (["a"], ["b"], ["gone"])
    assert list(result.answered) == ["a", "b"]
    assert not result.complete


async def test_a_fault_in_the_caller_s_function_is_one_host_s_outcome(stubs: Stubs) -> None:
    async def call(client: AgentClient) -> str:
        if client.name == "a":
            raise KeyError("oops")
        return "fine"

    async with Fleet(await stubs.add("a", "b")) as fleet:
        result = await fleet.map(call)
    error = result["a"].error
    assert isinstance(error, InternalError) and error.reason == "CALL" and isinstance(error.__cause__, KeyError)
    assert result["b"].value == "fine"


async def test_what_does_not_end_in_time_is_one_host_s_outcome(stubs: Stubs) -> None:
    async def call(client: AgentClient) -> str:
        if client.name == "a":
            await asyncio.Event().wait()
        return "fine"

    async with Fleet(await stubs.add("a", "b")) as fleet:
        # The limit holds for the first word to each agent too, which has to come through on a busy machine.
        result = await fleet.map(call, timeout_s=3)
    assert result["a"].status is Status.FAILED and isinstance(result["a"].error, DeadlineExceeded)
    assert result["b"].value == "fine"


@pytest.mark.parametrize(("fleet_wide", "own", "most"), [(2, None, 2), (64, 3, 3), (2, 5, 2), (64, None, 6)])
async def test_no_more_hosts_are_at_work_than_the_caps_allow(
    stubs: Stubs, fleet_wide: int, own: int | None, most: int
) -> None:
    gate = Gate(full=most)
    async with Fleet(await stubs.add(*NAMES), parallel=fleet_wide) as fleet:
        await fleet.agents()  # so that all are known, and come at once
        result = await fleet.map(gate, parallel=own)
    assert result.complete
    assert gate.most == most


async def test_the_cap_per_host_holds_over_all_calls_and_selections(stubs: Stubs) -> None:
    gate = Gate(full=2)
    async with Fleet(await stubs.add("a"), per_host=2) as fleet:
        await asyncio.gather(*(fleet.select(["a"]).map(gate) for _ in range(6)))
    assert gate.most == 2


async def test_batches_begin_with_one_host_and_go_one_after_another(stubs: Stubs) -> None:
    under_way: list[str] = []
    seen: list[list[str]] = []

    async def call(client: AgentClient) -> None:
        under_way.append(client.name or "")
        await client.get()
        seen.append(sorted(under_way))
        under_way.remove(client.name or "")

    async with Fleet(await stubs.add(*NAMES)) as fleet:
        result = await fleet.map(call, batch=3)
    assert result.complete
    together = [{"a"}, {"b", "c", "d"}, {"e", "f"}]
    assert all(any(set(group) <= allowed for allowed in together) for group in seen)


async def test_a_first_host_that_fails_stops_a_batched_call(stubs: Stubs) -> None:
    async with Fleet(await stubs.add(*NAMES)) as fleet:
        result = await fleet.map(failing("a"), batch="50%")
    assert list(result.failed) == ["a"]
    assert list(result.skipped) == ["b", "c", "d", "e", "f"]
    assert stubs.calls("GetAgent", NAMES) == ["a"]


async def test_it_stops_once_as_many_failed_as_max_failures_says(stubs: Stubs) -> None:
    hosts = await stubs.add(*NAMES)
    async with Fleet(hosts) as fleet:
        result = await fleet.map(failing("a", "c", "d", "e"), batch=1, max_failures=2)
    assert [outcome.status for outcome in result.values()] == [
        "failed",
        "ok",
        "failed",
        "skipped",
        "skipped",
        "skipped",
    ]


async def test_within_a_group_too_no_host_is_begun_after_the_last_failure_that_is_allowed(stubs: Stubs) -> None:
    async with Fleet(await stubs.add(*NAMES)) as fleet:
        result = await fleet.map(failing(*NAMES), max_failures=2, parallel=1)
    assert (len(result.failed), len(result.skipped)) == (2, 4)


async def test_an_unreachable_host_counts_as_a_failure(stubs: Stubs) -> None:
    async with Fleet([stubs.absent("gone"), *await stubs.add("a")]) as fleet:
        result = await fleet.map(name_of, batch=1, max_failures=1)
    assert (result["gone"].status, result["a"].status) == ("unreachable", "skipped")


async def test_without_batches_and_a_limit_every_host_is_asked(stubs: Stubs) -> None:
    async with Fleet(await stubs.add(*NAMES)) as fleet:
        assert len((await fleet.map(failing(*NAMES))).failed) == len(NAMES)


@pytest.mark.parametrize(
    "wrong", [{"batch": "x"}, {"batch": 0}, {"max_failures": 0}, {"parallel": 0}, {"timeout_s": 0}]
)
async def test_numbers_that_would_ask_nobody_are_refused(stubs: Stubs, wrong: dict[str, object]) -> None:
    async with Fleet(await stubs.add("a")) as fleet:
        with pytest.raises(ValueError):
            await fleet.map(name_of, **wrong)  # type: ignore[arg-type]


async def test_a_cancelled_call_ends_all_of_it_and_leaves_the_fleet_usable(stubs: Stubs) -> None:
    begun = asyncio.Barrier(3)

    async def call(client: AgentClient) -> None:
        await begun.wait()
        await asyncio.Event().wait()

    async with Fleet(await stubs.add("a", "b"), per_host=1) as fleet:
        running = asyncio.create_task(fleet.map(call))
        async with asyncio.timeout(20):
            await begun.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert (await fleet.map(name_of)).complete


async def test_a_host_that_was_not_reached_three_times_is_not_asked_for_a_while(
    stubs: Stubs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("poolfleet.fleet.circuit.CircuitPolicy", partial(CircuitPolicy, first_delay_s=60.0))
    async with Fleet([stubs.absent("gone")]) as fleet:
        for _ in range(3):
            await fleet.map(name_of)
        error = (await fleet.map(name_of))["gone"].error
    assert error is not None
    assert error.reason == "UNREACHABLE" and "not asked again yet" in error.message


async def test_an_empty_fleet_answers_with_nothing() -> None:
    async with Fleet([]) as fleet:
        result = await fleet.map(name_of, batch="10%")
    assert len(result) == 0 and result.complete and result.summary() == "no hosts"
