"""The record of operations: what is shown was stored, what ended stays, and who waits hears of every end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from poolfleet_agent.control.journal import Journal
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.operation import Operation, OperationKind, OperationState, Progress
from poolfleet_agent.model.ports import RequestRecord, UndecidedError
from tests.unit.agent.memory_operations import MemoryOperations

SOON_S = 30.0


def operation(number: int, *, created_at_s: float = 0.0) -> Operation:
    return Operation(id=f"o{number}", kind=OperationKind.STOP_POOL, pool=f"p{number}", created_at_s=created_at_s)


def ended(known: Operation) -> Operation:
    return replace(known, state=OperationState.SUCCEEDED, ended_at_s=10.0)


@pytest.fixture
async def journal() -> Journal:
    journal = Journal(store=MemoryOperations())
    await journal.begin(operation(1), None)
    return journal


async def test_an_operation_that_cannot_be_stored_is_never_shown(journal: Any) -> None:
    journal.store.full = True
    with pytest.raises(ModelError):
        await journal.begin(operation(2), None)
    with pytest.raises(ModelError) as unknown:
        journal.get("o2")
    assert unknown.value.reason is Reason.OPERATION_NOT_FOUND


async def test_one_that_is_stored_after_it_was_refused_was_never_begun(journal: Any) -> None:
    def asked(operation_id: str) -> RequestRecord:
        return RequestRecord(caller="c", rpc="StopPool", request_id="r", digest="d", operation_id=operation_id)

    journal.store.late = True
    with pytest.raises(UndecidedError):
        await journal.begin(operation(2), asked("o2"))
    journal.store.late = False
    assert "o2" in journal.store.kept
    assert await journal.find_request("c", "StopPool", "r") is None
    await journal.begin(operation(3), asked("o3"))
    assert list(journal.store.kept) == ["o1", "o3"]
    assert await journal.find_request("c", "StopPool", "r") == asked("o3")


async def test_an_end_that_cannot_be_stored_is_told_to_those_who_wait(journal: Any) -> None:
    waiting = asyncio.create_task(journal.wait("o1", SOON_S))
    await asyncio.sleep(0)
    journal.store.full = True
    await journal.change("o1", ended)
    assert (await waiting).state is OperationState.SUCCEEDED
    assert journal.store.kept["o1"].state is OperationState.RUNNING


async def test_an_end_that_is_stored_late_is_never_written_over_what_changed_meanwhile(journal: Any) -> None:
    journal.store.full = True
    await journal.change("o1", ended)
    journal.store.full = False
    stored, save = asyncio.Event(), journal.store.save

    async def save_old_rows_last(changed: Operation, request: Any = None) -> None:
        if not changed.request_ids:
            await stored.wait()
        await save(changed, request)

    journal.store.save = save_old_rows_last
    storing = asyncio.create_task(journal.store_late())
    changing = asyncio.create_task(journal.change("o1", lambda known: replace(known, request_ids=("late",))))
    await asyncio.wait({changing}, timeout=0.05)
    stored.set()
    async with asyncio.timeout(SOON_S):
        await asyncio.gather(storing, changing)
    assert journal.store.kept["o1"].request_ids == ("late",)


async def test_changes_at_the_same_time_are_all_kept(journal: Any) -> Any:
    def add(warning: str) -> object:
        return lambda known: replace(known, warnings=(*known.warnings, warning))

    await asyncio.gather(*(journal.change("o1", add(str(number))) for number in range(20)))
    assert set(journal.get("o1").warnings) == {str(number) for number in range(20)}


async def test_what_is_told_is_shown_at_once_and_stored_with_the_next_change(journal: Any) -> None:
    begun = Progress(done_bytes=1, total_bytes=2)
    journal.tell("o1", lambda known: replace(known, progress=begun))
    assert (journal.get("o1").progress, journal.store.kept["o1"].progress) == (begun, None)
    await journal.change("o1", lambda known: replace(known, warnings=("w",)))
    assert journal.store.kept["o1"].progress == begun


async def test_what_is_told_while_a_change_is_stored_is_not_undone_by_it(journal: Any) -> None:
    changing = asyncio.create_task(journal.change("o1", lambda known: replace(known, warnings=("w",))))
    await asyncio.sleep(0)
    journal.tell("o1", lambda known: replace(known, progress=Progress(done_bytes=1, total_bytes=2)))
    await changing
    assert (journal.get("o1").warnings, journal.get("o1").progress) == (("w",), Progress(done_bytes=1, total_bytes=2))


async def test_what_ended_is_told_no_more_of(journal: Any) -> None:
    await journal.change("o1", ended)
    journal.tell("o1", lambda known: replace(known, state=OperationState.PENDING))
    assert journal.get("o1").state is OperationState.SUCCEEDED


async def test_a_change_that_is_long_in_being_stored_holds_up_none_of_another_operation(journal: Any) -> None:
    await journal.begin(operation(2), None)
    held, save = asyncio.Event(), journal.store.save

    async def save_late(changed: Operation, request: Any = None) -> None:
        if changed.id == "o1":
            await held.wait()
        await save(changed, request)

    journal.store.save = save_late
    changing = asyncio.create_task(journal.change("o1", ended))
    await asyncio.sleep(0)
    async with asyncio.timeout(SOON_S):
        assert (await journal.change("o2", ended)).state is OperationState.SUCCEEDED
    held.set()
    await changing


async def test_what_ended_changes_no_more_but_for_the_requests_that_it_answers(journal: Any) -> None:
    await journal.change("o1", ended)
    again = await journal.change("o1", lambda known: replace(known, state=OperationState.FAILED, request_ids=("late",)))
    assert (again.state, again.request_ids) == (OperationState.SUCCEEDED, ("late",))


async def test_waiting_has_a_limit_and_answers_with_the_operation_as_it_stands(journal: Any) -> None:
    assert (await journal.wait("o1", 0.01)).state is OperationState.RUNNING
    assert (await journal.wait("o1", 0.0)).state is OperationState.RUNNING


async def next_of(watch: AsyncIterator[Operation | None]) -> Any:
    async with asyncio.timeout(SOON_S):
        return await anext(watch)


async def test_a_watch_gives_what_is_there_then_each_change_and_only_what_is_wanted(journal: Any) -> None:
    await journal.begin(operation(2), None)
    watch = journal.watch(lambda known: known.id == "o1")
    assert (await next_of(watch)).id == "o1"
    assert await next_of(watch) is None
    await journal.change("o2", ended)
    await journal.change("o1", ended)
    assert (await next_of(watch)).state is OperationState.SUCCEEDED
    journal.end_watches()
    assert [late async for late in watch] == []


async def test_a_slow_watcher_gets_the_newest_state_of_each_and_queues_no_more(journal: Any) -> None:
    watch = journal.watch(lambda known: True)
    await next_of(watch)
    assert await next_of(watch) is None
    for number in range(100):
        await journal.change("o1", lambda known, number=number: replace(known, warnings=(str(number),)))
    assert (await next_of(watch)).warnings == ("99",)
    journal.end_watches()
    assert [late async for late in watch] == []


async def test_watchers_are_bounded_and_one_that_leaves_makes_room(journal: Any) -> None:
    journal.longest_watchers = 1
    first = journal.watch(lambda known: True)
    await next_of(first)
    with pytest.raises(ModelError) as busy:
        await next_of(journal.watch(lambda known: True))
    assert busy.value.reason is Reason.TOO_BUSY
    await first.aclose()
    assert await next_of(journal.watch(lambda known: True)) is not None


async def test_the_newest_come_first_in_the_order_that_pages_go_on_by(journal: Any) -> None:
    # So close that a float of the distance to some far day could not tell them apart.
    for number in range(2, 30):
        await journal.begin(operation(number, created_at_s=1.8e9 + number % 7 * 1e-5), None)
    places = [known.place_in_order for known in journal.newest_first()]
    assert places == sorted(places)
    times = [known.created_at_s for known in journal.newest_first()]
    assert times == sorted(times, reverse=True)


async def test_ended_ones_are_forgotten_after_a_while_and_running_ones_never(journal: Any) -> None:
    await journal.begin(operation(2), None)
    await journal.change("o1", ended)
    await journal.forget_ended_before(100.0)
    assert [known.id for known in journal.newest_first()] == ["o2"]
