"""The wall clock jumps, forwards and back: nothing is forgotten early, given up, or left behind because of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest

from poolfleet_agent.control.journal import Journal
from poolfleet_agent.control.lanes import Lanes
from poolfleet_agent.control.mutation import Caller, Mutation, Outcome, Work
from poolfleet_agent.control.operations import Operations
from poolfleet_agent.control.recovery import SETTLE_S, _Settling
from poolfleet_agent.control.retention import Retention
from poolfleet_agent.model.operation import Operation, OperationKind, OperationState
from poolfleet_agent.services.convert.times import duration
from tests.unit.agent.fake_host import FakeClock, FakeHost, use_case_host
from tests.unit.agent.memory_operations import MemoryOperations

DAY_S = 86400.0
YEAR_S = 365 * DAY_S
JUMPS = pytest.mark.parametrize("jump_s", [YEAR_S, -YEAR_S, 60.0, -60.0])


class JumpingClock(FakeClock):
    """A wall clock that can be set; the monotonic one knows nothing of that."""

    def __init__(self) -> None:
        super().__init__()
        self.wall_s = 50 * YEAR_S

    def now_s(self) -> float:
        return self.wall_s

    def passes(self, seconds: float) -> None:
        self.time_s += seconds
        self.wall_s += seconds


class MemoryTime:
    """What outlasts an agent."""

    def __init__(self) -> None:
        self.at_s: float | None = None

    async def load(self) -> float | None:
        return self.at_s

    async def save(self, at_s: float) -> None:
        self.at_s = at_s


@dataclass(frozen=True, kw_only=True)
class Refresh(Mutation):
    """Works until it may end."""

    kind: ClassVar = OperationKind.REFRESH_POOL
    may_end: asyncio.Event = field(repr=False, default_factory=asyncio.Event)
    timeout_s: float = 60.0

    @property
    def target(self) -> tuple[str, str]:
        return "p", ""

    async def check(self) -> Outcome | Work:
        async def perform(*_: Any) -> Outcome:
            await self.may_end.wait()
            return Outcome(changed=True)

        return Work(perform=perform, timeout_s=self.timeout_s)


async def kept(journal: Journal, retention: Retention) -> set[str]:
    await journal.forget_ended_before(await retention.ended_before_s())
    return {operation.id for operation in journal.newest_first()}


async def ended_now(journal: Journal, clock: JumpingClock, name: str) -> None:
    now_s = clock.now_s()
    state = OperationState.SUCCEEDED
    kind = OperationKind.START_POOL
    operation = Operation(id=name, kind=kind, pool="p", state=state, created_at_s=now_s, ended_at_s=now_s)
    await journal.begin(operation, None)


@JUMPS
async def test_a_request_id_is_remembered_for_its_day_whatever_the_clock_says(jump_s: float) -> None:
    clock, journal = JumpingClock(), Journal(store=MemoryOperations())
    retention = Retention(clock=clock, store=MemoryTime(), kept_s=DAY_S)
    await retention.ended_before_s()
    await ended_now(journal, clock, "before")
    clock.passes(3600)
    clock.wall_s += jump_s
    assert "before" in await kept(journal, retention)
    await ended_now(journal, clock, "after")
    clock.passes(DAY_S - 3601)
    assert await kept(journal, retention) == {"before", "after"}


@pytest.mark.parametrize("jump_s", [YEAR_S, 60.0])
async def test_a_clock_that_was_set_right_is_believed_after_a_day(jump_s: float) -> None:
    """As that of a machine which boots in 1970: or nothing would ever be forgotten."""
    clock, journal = JumpingClock(), Journal(store=MemoryOperations())
    retention = Retention(clock=clock, store=MemoryTime(), kept_s=DAY_S)
    await retention.ended_before_s()
    clock.wall_s += jump_s
    await ended_now(journal, clock, "after")
    for _ in range(24):
        assert await kept(journal, retention) == {"after"}
        clock.passes(3600)
    clock.passes(60)
    assert await kept(journal, retention) == set()


async def test_a_clock_that_goes_forwards_and_back_forgets_nothing() -> None:
    clock, journal = JumpingClock(), Journal(store=MemoryOperations())
    retention = Retention(clock=clock, store=MemoryTime(), kept_s=DAY_S)
    await retention.ended_before_s()
    await ended_now(journal, clock, "before")
    for jump_s in (YEAR_S, -YEAR_S):
        clock.wall_s += jump_s
        clock.passes(600)
        assert await kept(journal, retention) == {"before"}


@JUMPS
async def test_nor_is_it_forgotten_where_the_clock_jumps_while_no_agent_runs(jump_s: float) -> None:
    clock, journal, store = JumpingClock(), Journal(store=MemoryOperations()), MemoryTime()
    await Retention(clock=clock, store=store, kept_s=DAY_S).ended_before_s()
    await ended_now(journal, clock, "before")
    clock.wall_s += jump_s
    clock.time_s = 5.0  # the host was booted
    for _ in range(3):
        retention = Retention(clock=clock, store=store, kept_s=DAY_S)
        assert await kept(journal, retention) == {"before"}
        clock.passes(DAY_S / 4)
        assert await kept(journal, retention) == {"before"}


async def test_an_agent_that_is_restarted_every_hour_forgets_all_the_same() -> None:
    clock, journal, store = JumpingClock(), Journal(store=MemoryOperations()), MemoryTime()
    await Retention(clock=clock, store=store, kept_s=DAY_S).ended_before_s()
    await ended_now(journal, clock, "before")
    for _ in range(25):
        retention = Retention(clock=clock, store=store, kept_s=DAY_S)
        left = await kept(journal, retention)
        clock.passes(3600)
        left = await kept(journal, retention)
    assert left == set()


@JUMPS
async def test_an_operation_at_work_is_not_given_up(jump_s: float) -> None:
    clock = JumpingClock()
    operations = Operations(journal=Journal(store=MemoryOperations()), lanes=Lanes(), clock=clock)
    mutation = Refresh()
    running = await operations.submit(mutation, Caller(name="unix", rpc="RefreshPool"))
    assert running.deadline_s == running.created_at_s + mutation.timeout_s
    clock.wall_s += jump_s
    assert (await operations.journal.wait(running.id, 0.2)).state is OperationState.RUNNING
    mutation.may_end.set()
    assert (await operations.journal.wait(running.id, 5.0)).state is OperationState.SUCCEEDED
    await operations.drain(0.0)


@JUMPS
async def test_an_operation_that_hangs_is_given_up_all_the_same(jump_s: float) -> None:
    clock = JumpingClock()
    operations = Operations(journal=Journal(store=MemoryOperations()), lanes=Lanes(), clock=clock)
    mutation = Refresh(timeout_s=0.1)
    submitting = asyncio.ensure_future(operations.submit(mutation, Caller(name="unix", rpc="RefreshPool")))
    await asyncio.sleep(0)
    clock.wall_s += jump_s
    running = await submitting
    assert (await operations.journal.wait(running.id, 5.0)).state is OperationState.FAILED
    mutation.may_end.set()
    await operations.drain(1.0)


@JUMPS
async def test_debris_is_waited_for_as_long_as_ever(jump_s: float) -> None:
    fake = FakeHost()
    fake.clock = clock = JumpingClock()
    settling = _Settling(use_case_host(fake))
    assert not settling.over()
    clock.wall_s += jump_s
    assert not settling.over()
    clock.passes(SETTLE_S)
    assert settling.over()


def test_no_age_is_negative() -> None:
    clock = JumpingClock()
    seen_at_s = clock.now_s()
    clock.wall_s -= YEAR_S
    assert duration(clock.now_s() - seen_at_s).ToNanoseconds() == 0
