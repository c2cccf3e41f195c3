"""Runs one call on many hosts: how many at once, in which groups, and when to stop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from poolfleet.agent.client import AgentClient
from poolfleet.fleet.batches import Batch, groups
from poolfleet.fleet.freshness import is_stale, looked_at
from poolfleet.fleet.members import Member, is_unreachable, one_agent
from poolfleet.fleet.result import FleetResult, Outcome, Status
from poolfleet.types.agent import Agent
from poolfleet.types.errors import DeadlineExceeded, InternalError, PoolfleetError
from poolfleet.types.operation import Operation
from poolfleet.types.pool import EnsureResult

T = TypeVar("T")
Call = Callable[[AgentClient], Awaitable[T]]

# Hosts that are greeted at once for each call at once: dead ones wait here, out of the way of the others.
_GREETINGS_PER_CALL = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How a call goes through a fleet."""

    batch: Batch | None = None
    """None: all hosts in one group. Else the first group is one host, each further one this many or this percentage."""
    max_failures: int | None = None
    """Once this many hosts did not end well no further one is asked. None: 1 where there are batches, else no limit."""
    parallel: int | None = None
    """Hosts at once, where that is fewer than the fleet's own number."""
    timeout_s: float | None = None
    """How long the call may take on one host, and its agent to answer at all. None: as the host has it."""

    def __post_init__(self) -> None:
        """Raise ValueError for a number that would ask nothing of any host."""
        for name in ("max_failures", "parallel", "timeout_s"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} is more than 0, not {value}")

    @property
    def tolerated(self) -> float:
        """Failures at which it stops."""
        if self.max_failures is not None:
            return self.max_failures
        return float("inf") if self.batch is None else 1


class Places:
    """The places of a fleet, shared by all its selections: for calls, and for greetings, which come before."""

    def __init__(self, parallel: int) -> None:
        self.parallel = parallel
        self.calls = asyncio.Semaphore(parallel)
        self.greetings = asyncio.Semaphore(parallel * _GREETINGS_PER_CALL)


@dataclass(slots=True, kw_only=True)
class Run(Generic[T]):
    """One call on its way through the members."""

    members: Sequence[Member]
    call: Call[T]
    pace: Pace
    places: Places
    slots: Callable[[Member], asyncio.Semaphore] = Member.calls
    """The places of one host among which the call takes its own."""
    failures: int = field(default=0, init=False)

    async def outcome(self) -> FleetResult[T]:
        """Ask every member. Raises nothing but what cancels it, and ValueError for a batch that is none."""
        outcomes: list[Outcome[T]] = []
        own = asyncio.Semaphore(self.pace.parallel or len(self.members) or 1)
        for group in groups(self.members, self.pace.batch):
            async with asyncio.TaskGroup() as tasks:
                asked = [tasks.create_task(self._ask(member, own)) for member in group]
            outcomes += [task.result() for task in asked]
        return FleetResult(outcomes, one_agent(self.members))

    async def _ask(self, member: Member, own: asyncio.Semaphore) -> Outcome[T]:
        watch = Watch()
        host = member.host.name
        try:
            async with self.slots(member):
                if self._stopped():
                    return Outcome(host=host, status=Status.SKIPPED)
                async with self.places.greetings:
                    with watch, member.reaching():
                        await member.greet(self.pace.timeout_s)
                async with own, self.places.calls:
                    if self._stopped():
                        return Outcome(host=host, status=Status.SKIPPED)
                    with watch, member.reaching():
                        value = await within(self.pace.timeout_s, self.call(member.client), host)
        except Exception as error:  # noqa: BLE001  (a fault in the caller's own function is one host's outcome too)
            self.failures += 1
            return not_well(host, error, watch.seconds)
        return well(host, value, watch.seconds, member.agent)

    def _stopped(self) -> bool:
        return self.failures >= self.pace.tolerated


async def within(timeout_s: float | None, answer: Awaitable[T], host: str) -> T:
    """Wait for an answer so long. Raises DeadlineExceeded, and what the answer does."""
    limit = asyncio.timeout(timeout_s)
    try:
        async with limit:
            return await answer
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise DeadlineExceeded(f"did not end within {timeout_s:g} s", host=host) from error


def well(host: str, value: T, duration_s: float, agent: Agent | None) -> Outcome[T]:
    """The outcome of a call that has returned; `agent`: who answers on the host, where that is known."""
    as_of, age_s = looked_at(value)
    return Outcome(
        host=host,
        status=_status(value),
        value=value,
        duration_s=duration_s,
        as_of=as_of,
        age_s=age_s,
        stale=is_stale(age_s, agent),
    )


def not_well(host: str, error: Exception, duration_s: float) -> Outcome[T]:
    """The outcome of a call that has raised: what is no PoolfleetError becomes the cause of one."""
    if not isinstance(error, PoolfleetError):
        fault = InternalError(f"{type(error).__name__}: {error}", reason="CALL", host=host)
        fault.__cause__ = error
        error = fault
    status = Status.UNREACHABLE if is_unreachable(error) else Status.FAILED
    return Outcome(host=host, status=status, error=error, duration_s=duration_s)


class Watch:
    """Adds up the seconds that are spent inside it."""

    seconds = 0.0

    def __enter__(self) -> None:
        self._since = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.monotonic() - self._since


def _status(value: object) -> Status:
    match value:
        case EnsureResult():
            return Status.CHANGED if value.changes else Status.UNCHANGED
        case Operation(ended=True):
            return Status.CHANGED if value.changed else Status.UNCHANGED
        case _:
            return Status.OK
