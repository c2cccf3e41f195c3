"""Running mutations: request ids, joining, what is refused before an operation exists, deadlines, draining."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import pytest

from poolfleet_agent.control.journal import Journal
from poolfleet_agent.control.lanes import Lanes
from poolfleet_agent.control.mutation import Caller, Mutation, Outcome, Work
from poolfleet_agent.control.operations import Operations
from poolfleet_agent.control.report import Report
from poolfleet_agent.inventory.asked import is_new_enough
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.operation import Operation, OperationKind, OperationState
from tests.unit.agent.fake_host import FakeClock, until
from tests.unit.agent.memory_operations import MemoryOperations

SOON_S = 30.0


@dataclass
class Told:
    """What a mutation is to do, and what became of it."""

    checked: int = 0
    done: int = 0
    checking: asyncio.Event = field(default_factory=asyncio.Event)
    working: asyncio.Event = field(default_factory=asyncio.Event)
    refusal: ModelError | None = None
    failure: BaseException | None = None
    timeout_s: float = 60.0
    cancellable: bool = False
    commits: bool = False
    nothing_to_do: bool = False


@dataclass(frozen=True, kw_only=True)
class Stop(Mutation):
    kind: ClassVar = OperationKind.STOP_POOL
    told: Told = field(repr=False)
    pool: str = "p"
    body: str = ""

    @property
    def target(self) -> tuple[str, str]:
        return self.pool, ""

    async def check(self) -> Outcome | Work:
        told = self.told
        told.checked += 1
        await told.checking.wait()
        if told.refusal:
            raise told.refusal

        async def perform(report: Report) -> Outcome:
            if told.commits:
                report.commits()
            await told.working.wait()
            if told.failure:
                raise told.failure
            told.done += 1
            return Outcome(changed=True)

        if told.nothing_to_do:
            return Outcome(changed=False)
        return Work(perform=perform, timeout_s=told.timeout_s, cancellable=told.cancellable)


@pytest.fixture
async def told() -> Told:
    told = Told()
    told.checking.set()
    told.working.set()
    return told


@pytest.fixture
async def operations() -> AsyncIterator[Operations]:
    operations = Operations(journal=Journal(store=MemoryOperations()), lanes=Lanes(), clock=FakeClock())
    yield operations
    await operations.drain(0.0)


def caller(request_id: str = "", *, digest: str = "body", name: str = "unix") -> Caller:
    return Caller(name=name, rpc="StopPool", request_id=request_id, digest=digest)


def new_id() -> str:
    return str(uuid.uuid4())


async def submitted_once_free(operations: Operations, mutation: Mutation) -> Operation:
    async with asyncio.timeout(SOON_S):
        while True:
            try:
                return await operations.submit(mutation, caller())
            except ModelError as error:
                if error.reason is not Reason.OPERATION_IN_PROGRESS:
                    raise
                await asyncio.sleep(0)


async def test_work_that_ends_soon_is_answered_finished(operations: Any, told: Any) -> None:
    operation = await operations.submit(Stop(told=told), caller())
    assert (operation.state, operation.changed) == (OperationState.SUCCEEDED, True)


async def test_an_object_that_is_as_asked_makes_an_operation_that_changed_nothing(operations: Any, told: Any) -> None:
    told.nothing_to_do = True
    operation = await operations.submit(Stop(told=told), caller())
    assert (operation.state, operation.changed, told.done) == (OperationState.SUCCEEDED, False, 0)
    assert operations.journal.get(operation.id) == operation


async def test_what_the_checks_refuse_leaves_no_operation_and_no_request_id(operations: Any, told: Any) -> None:
    request_id = new_id()
    told.refusal = ModelError(Reason.POOL_IN_USE, "no")
    with pytest.raises(ModelError):
        await operations.submit(Stop(told=told), caller(request_id))
    assert list(operations.journal.newest_first()) == []
    told.refusal = None
    assert (await operations.submit(Stop(told=told), caller(request_id))).state is OperationState.SUCCEEDED


@pytest.mark.parametrize("failure", [None, ModelError(Reason.FULL, "full")], ids=["succeeded", "failed"])
async def test_the_same_request_again_is_answered_with_its_operation(operations: Any, told: Any, failure: Any) -> None:
    request_id, told.failure = new_id(), failure
    first = await operations.submit(Stop(told=told), caller(request_id))
    assert await operations.submit(Stop(told=told), caller(request_id)) == first
    assert told.checked == 1


async def test_a_request_id_belongs_to_its_body_and_its_caller(operations: Any, told: Any) -> None:
    request_id = new_id()
    first = await operations.submit(Stop(told=told), caller(request_id))
    with pytest.raises(ModelError) as reused:
        await operations.submit(Stop(told=told), caller(request_id, digest="another"))
    assert reused.value.reason is Reason.REQUEST_ID_REUSED
    assert (await operations.submit(Stop(told=told), caller(request_id, name="tls:other"))).id != first.id


async def test_another_request_for_the_same_while_it_runs_joins_it_and_is_remembered_with_it(
    operations: Any, told: Any
) -> None:
    told.working.clear()
    ids = [new_id() for _ in range(3)]
    asked = [asyncio.create_task(operations.submit(Stop(told=told), caller(request_id))) for request_id in ids]
    await until(lambda: told.checked == 1 and len(list(operations.journal.newest_first())) == 1)
    await until(lambda: len(next(iter(operations.journal.newest_first())).request_ids) == 3)
    told.working.set()
    answers = await asyncio.gather(*asked)
    assert {operation.id for operation in answers} == {answers[0].id}
    assert told.done == 1
    for request_id in ids:
        assert (await operations.submit(Stop(told=told), caller(request_id))).id == answers[0].id


async def test_a_refusal_is_told_to_all_who_joined(operations: Any, told: Any) -> None:
    told.checking.clear()
    told.refusal = ModelError(Reason.POOL_IN_USE, "no")
    asked = [asyncio.create_task(operations.submit(Stop(told=told), caller())) for _ in range(3)]
    await until(lambda: told.checked == 1)
    told.checking.set()
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert [getattr(outcome, "reason", None) for outcome in outcomes] == [Reason.POOL_IN_USE] * 3


async def test_a_caller_who_leaves_ends_neither_the_checks_nor_the_work(operations: Any, told: Any) -> None:
    told.checking.clear()
    leaving = asyncio.create_task(operations.submit(Stop(told=told), caller()))
    await until(lambda: told.checked == 1)
    leaving.cancel()
    told.checking.set()
    await until(lambda: told.done == 1)


async def test_validate_only_checks_and_leaves_nothing(operations: Any, told: Any) -> None:
    request_id = new_id()
    operation = await operations.submit(Stop(told=told), caller(request_id), validate_only=True)
    assert (operation.id, operation.changed, told.checked, told.done) == ("", True, 1, 0)
    assert list(operations.journal.newest_first()) == []
    assert not operations.journal.store.requests


async def test_a_deadline_ends_the_operation_and_the_call_that_hangs_keeps_its_lane(operations: Any, told: Any) -> None:
    told.working.clear()
    told.timeout_s = 0.01
    first = await operations.submit(Stop(told=told), caller())
    assert first.failure is not None
    assert (first.state, first.failure.reason) == (OperationState.FAILED, Reason.OPERATION_TIMED_OUT)
    with pytest.raises(ModelError) as held:
        await operations.submit(Stop(told=told), caller())
    assert held.value.reason is Reason.OPERATION_IN_PROGRESS
    told.working.set()
    told.timeout_s = 60.0
    second = await submitted_once_free(operations, Stop(told=told))
    assert second.state is OperationState.SUCCEEDED
    assert operations.journal.get(first.id).state is OperationState.FAILED


async def test_what_nobody_foresaw_ends_the_operation_as_internal_and_frees_the_lane(
    operations: Any, told: Any
) -> None:
    told.failure = RuntimeError("a defect, with a secret in it")
    operation = await operations.submit(Stop(told=told), caller())
    assert operation.failure is not None
    assert operation.failure.reason is Reason.INTERNAL
    assert "secret" not in operation.failure.message
    told.failure = None
    assert (await operations.submit(Stop(told=told), caller())).state is OperationState.SUCCEEDED


def ids_of(operations: Operations, pool: str) -> list[str]:
    return [known.id for known in operations.journal.newest_first() if known.pool == pool]


async def test_cancelling_ends_what_can_be_cancelled_and_nothing_else(operations: Any, told: Any) -> None:
    told.working.clear()
    for cancellable in (False, True):
        told.cancellable = cancellable
        asked = asyncio.create_task(operations.submit(Stop(told=told, pool=str(cancellable)), caller()))
        running = partial(ids_of, operations, str(cancellable))
        await until(running)
        (operation_id,) = running()
        await until(lambda: told.checked > 0)
        if cancellable:
            ended = await operations.cancel(operation_id)
            assert (ended.state, ended.cancel_requested) == (OperationState.CANCELLED, True)
            assert (await operations.cancel(operation_id)).state is OperationState.CANCELLED
        else:
            with pytest.raises(ModelError) as refused:
                await operations.cancel(operation_id)
            assert refused.value.reason is Reason.NOT_CANCELLABLE
        asked.cancel()


@pytest.mark.parametrize("commits", [False, True])
async def test_a_deadline_cancels_work_unless_it_has_committed(operations: Any, told: Any, commits: bool) -> None:
    told.working.clear()
    told.cancellable, told.commits, told.timeout_s = True, commits, 0.01
    operation = await operations.submit(Stop(told=told), caller())
    assert operation.failure.reason is Reason.OPERATION_TIMED_OUT
    told.working.set()
    await submitted_once_free(operations, Stop(told=Told(checking=told.checking, working=told.working)))
    assert told.done == commits


async def test_work_that_has_committed_is_not_cancelled_any_more(operations: Any, told: Any) -> None:
    told.working.clear()
    told.cancellable = told.commits = True
    asked = asyncio.create_task(operations.submit(Stop(told=told), caller()))
    await until(lambda: any(not known.cancellable for known in operations.journal.newest_first()))
    (operation_id,) = ids_of(operations, "p")
    with pytest.raises(ModelError) as refused:
        await operations.cancel(operation_id)
    assert refused.value.reason is Reason.NOT_CANCELLABLE
    told.working.set()
    ended = await asked
    assert (ended.state, ended.cancel_requested) == (OperationState.SUCCEEDED, False)


async def test_operations_at_once_are_bounded_and_a_refused_one_holds_no_lane(operations: Any, told: Any) -> None:
    operations.most_at_once = 1
    told.working.clear()
    asyncio.create_task(operations.submit(Stop(told=told, pool="a"), caller()))  # noqa: RUF006
    await until(lambda: told.checked == 1)
    with pytest.raises(ModelError) as busy:
        await operations.submit(Stop(told=told, pool="b"), caller())
    assert busy.value.reason is Reason.TOO_BUSY
    told.working.set()
    await until(lambda: told.done == 1)
    operations.most_at_once = 2
    assert (await operations.submit(Stop(told=told, pool="b"), caller())).state is OperationState.SUCCEEDED


async def test_draining_lets_work_end_and_takes_nothing_new(operations: Any, told: Any) -> None:
    told.working.clear()
    asked = asyncio.create_task(operations.submit(Stop(told=told), caller()))
    await until(lambda: len(list(operations.journal.newest_first())) == 1)
    draining = asyncio.create_task(operations.drain(SOON_S))
    await asyncio.sleep(0)
    with pytest.raises(ModelError) as stopping:
        await operations.submit(Stop(told=told, pool="q"), caller())
    assert stopping.value.reason is Reason.AGENT_STOPPING
    told.working.set()
    await draining
    assert (await asked).state is OperationState.SUCCEEDED


async def test_what_does_not_end_while_draining_stays_recorded_as_running(operations: Any, told: Any) -> None:
    told.working.clear()
    asked = asyncio.create_task(operations.submit(Stop(told=told), caller()))
    await until(lambda: len(list(operations.journal.newest_first())) == 1)
    await operations.drain(0.0)
    (operation,) = operations.journal.store.kept.values()
    assert operation.state is OperationState.RUNNING
    asked.cancel()


async def test_an_observing_agent_changes_nothing(operations: Any, told: Any) -> None:
    operations.observe_only = True
    for validate_only in (False, True):
        with pytest.raises(ModelError) as refused:
            await operations.submit(Stop(told=told), caller(), validate_only=validate_only)
        assert refused.value.reason is Reason.OBSERVE_ONLY
    assert told.checked == 0


@dataclass(frozen=True, kw_only=True)
class Make(Stop):
    kind: ClassVar = OperationKind.CREATE_VOLUME
    volume: str

    @property
    def target(self) -> tuple[str, str]:
        return self.pool, self.volume


@dataclass(frozen=True, kw_only=True)
class Remove(Make):
    kind: ClassVar = OperationKind.DELETE_VOLUME


async def test_of_a_crowd_one_is_checked_at_a_time_and_no_other_waits_for_the_rest(operations: Any, told: Any) -> None:
    told.checking.clear()
    crowd = [asyncio.create_task(operations.submit(Make(told=told, volume=f"v{n}"), caller())) for n in range(50)]
    await until(lambda: told.checked == 1)
    other = Told()
    other.checking.set()
    other.working.set()
    async with asyncio.timeout(SOON_S):
        await operations.submit(Remove(told=other, volume="w"), caller())
        await operations.submit(Make(told=other, pool="q", volume="v"), caller())
    assert (other.done, told.checked) == (2, 1)
    told.checking.set()
    assert all(operation.changed for operation in await asyncio.gather(*crowd))


async def test_what_was_seen_while_one_waited_for_its_turn_will_do_for_its_check(operations: Any, told: Any) -> None:
    clock = operations.clock
    looked_at_s = clock.monotonic_s()
    will_do: list[bool] = []

    @dataclass(frozen=True, kw_only=True)
    class Look(Make):
        async def check(self) -> Outcome | Work:
            will_do.append(is_new_enough(looked_at_s, now_s=clock.monotonic_s()))
            return await super().check()

    clock.time_s += 0.1
    told.checking.clear()
    first = asyncio.create_task(operations.submit(Look(told=told, volume="v"), caller()))
    await until(lambda: told.checked == 1)
    second = asyncio.create_task(operations.submit(Look(told=told, volume="w"), caller()))
    await until(lambda: operations.lanes.is_crowded("p"))
    await asyncio.sleep(0)  # it comes to its turn
    clock.time_s += 0.1
    looked_at_s = clock.monotonic_s()
    told.checking.set()
    await asyncio.gather(first, second)
    assert will_do == [False, True]
