"""Operations and request ids outlive the process that wrote them."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

from structlog.testing import capture_logs

from poolfleet_agent.model.errors import Reason
from poolfleet_agent.model.operation import Failure, Operation, OperationKind, OperationState
from poolfleet_agent.model.ports import OperationStore, RequestRecord
from poolfleet_agent.state.database import Database
from poolfleet_agent.state.operations import SqliteOperations

RUNNING = Operation(id="1", kind=OperationKind.CREATE_VOLUME, pool="p", volume="v", created_at_s=10.0, debris="{}")
REQUEST = RequestRecord(caller="uid:0", rpc="CreateVolume", request_id="r", digest="d", operation_id="1")


def ended(operation: Operation, *, at_s: float) -> Operation:
    failure = Failure(reason=Reason.FULL, message="full", metadata=(("pool", "p"),))
    return replace(operation, state=OperationState.FAILED, ended_at_s=at_s, result=b"\xff", failure=failure)


async def test_what_was_saved_is_loaded_by_the_next_process(directory: Path) -> None:
    database = await Database.open(directory)
    store: OperationStore = SqliteOperations(database)
    await store.save(RUNNING, REQUEST)
    await database.close()
    database = await Database.open(directory)
    store = SqliteOperations(database)
    assert await store.load_all() == [RUNNING]
    assert await store.find_request("uid:0", "CreateVolume", "r") == REQUEST
    await database.close()


async def test_a_later_save_replaces_and_keeps_the_request_ids(database: Database) -> None:
    store = SqliteOperations(database)
    await store.save(RUNNING, REQUEST)
    await store.save(ended(RUNNING, at_s=20.0))
    assert await store.load_all() == [ended(RUNNING, at_s=20.0)]
    assert await store.find_request("uid:0", "CreateVolume", "r") == REQUEST


async def test_the_oldest_comes_first_and_equally_old_ones_as_they_were_saved(database: Database) -> None:
    store = SqliteOperations(database)
    for operation_id, created_at_s in (("c", 2.0), ("b", 1.0), ("a", 1.0)):
        await store.save(replace(RUNNING, id=operation_id, created_at_s=created_at_s))
    await store.save(ended(replace(RUNNING, id="b", created_at_s=1.0), at_s=3.0))
    assert [operation.id for operation in await store.load_all()] == ["b", "a", "c"]


async def test_a_request_id_belongs_to_its_caller_and_rpc(database: Database) -> None:
    store = SqliteOperations(database)
    await store.save(RUNNING, REQUEST)
    assert await store.find_request("uid:1", "CreateVolume", "r") is None
    assert await store.find_request("uid:0", "DeleteVolume", "r") is None
    assert await store.find_request("uid:0", "CreateVolume", "other") is None


async def test_what_ended_before_is_forgotten_with_its_request_ids(database: Database) -> None:
    store = SqliteOperations(database)
    await store.save(ended(RUNNING, at_s=20.0), REQUEST)
    await store.save(ended(replace(RUNNING, id="2"), at_s=30.0), replace(REQUEST, request_id="s", operation_id="2"))
    await store.save(replace(RUNNING, id="3"))
    assert await store.remove_ended_before(30.0) == ["1"]
    assert [operation.id for operation in await store.load_all()] == ["2", "3"]
    assert await store.find_request("uid:0", "CreateVolume", "r") is None
    assert await store.find_request("uid:0", "CreateVolume", "s") is not None


async def test_what_is_removed_goes_with_its_request_ids_but_for_one_that_another_has_by_now(
    database: Database,
) -> None:
    store = SqliteOperations(database)
    await store.save(RUNNING, REQUEST)
    await store.save(RUNNING, replace(REQUEST, request_id="s"))
    taken_over = replace(REQUEST, operation_id="2")
    await store.save(replace(RUNNING, id="2"), taken_over)
    await store.remove(["1", "never there"])
    assert [operation.id for operation in await store.load_all()] == ["2"]
    assert await store.find_request("uid:0", "CreateVolume", "r") == taken_over
    assert await store.find_request("uid:0", "CreateVolume", "s") is None


async def test_one_that_can_not_be_read_does_not_hide_the_others(database: Database) -> None:
    store = SqliteOperations(database)
    await store.save(RUNNING)

    def spoil(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO operation VALUES ('2', 0, NULL, '[{}]')")

    await database.run(spoil)
    with capture_logs() as logs:
        assert await store.load_all() == [RUNNING]
    assert [(log["log_level"], log["operation"]) for log in logs] == [("error", "2")]
