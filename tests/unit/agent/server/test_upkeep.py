"""Background tasks: one that breaks is heard of, the others end with the agent; old operations are forgotten."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from poolfleet_agent.control.journal import Journal
from poolfleet_agent.control.retention import Retention
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.operation import Operation, OperationKind, OperationState
from poolfleet_agent.server.clock import SystemClock
from poolfleet_agent.server.upkeep import Background, first_of, forget_old_operations
from poolfleet_agent.state.believed_time import SqliteBelievedTime
from poolfleet_agent.state.database import Database
from poolfleet_agent.state.operations import SqliteOperations

WIDE_S = 20


async def test_a_task_that_breaks_is_heard_of() -> None:
    async def breaks() -> None:
        raise ZeroDivisionError

    background = Background()
    background.start("breaks", breaks())
    await asyncio.wait_for(first_of(asyncio.Event(), background.broken), WIDE_S)
    await background.close()


async def test_tasks_end_with_the_agent_and_that_is_no_breaking() -> None:
    ended = asyncio.Event()

    async def works() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    background = Background()
    background.start("works", works())
    await asyncio.sleep(0)
    await asyncio.wait_for(background.close(), WIDE_S)
    assert ended.is_set()
    assert not background.broken.is_set()


async def test_operations_are_forgotten_once_they_ended_long_ago(tmp_path: Path) -> None:
    database, clock = await Database.open(tmp_path / "state"), SystemClock()
    store = SqliteOperations(database)
    for name, age_s in (("old", 100), ("new", 10)):
        ended_at_s = clock.now_s() - age_s
        await store.save(
            Operation(
                id=name,
                kind=OperationKind.START_POOL,
                pool="p",
                state=OperationState.SUCCEEDED,
                created_at_s=ended_at_s,
                ended_at_s=ended_at_s,
            )
        )
    journal = Journal(store=store)
    await journal.load()
    background = Background()
    retention = Retention(clock=clock, store=SqliteBelievedTime(database), kept_s=50)
    background.start("forget", forget_old_operations(journal, retention))
    async with asyncio.timeout(WIDE_S):
        while any(operation.id == "old" for operation in journal.newest_first()):
            await asyncio.sleep(0.01)
    await background.close()
    assert [operation.id for operation in journal.newest_first()] == ["new"]
    with pytest.raises(ModelError) as caught:
        journal.get("old")
    assert caught.value.reason is Reason.OPERATION_NOT_FOUND
    await database.close()
