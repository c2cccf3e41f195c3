"""The state file: who may read it, what survives, and what is said when it can not be used."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import threading
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.ports import UndecidedError
from poolfleet_agent.state.database import FILE_NAME, Database


def rows(connection: sqlite3.Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT agent_id FROM agent ORDER BY rowid")]


def write_a(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO agent (agent_id, machine_id) VALUES ('a', '')")


async def test_nobody_else_can_read_it(directory: Path, database: Database) -> None:
    await database.run(write_a)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {
        FILE_NAME: 0o600,
        f"{FILE_NAME}-wal": 0o600,
    }


async def test_an_empty_folder_that_was_open_to_others_is_closed_to_them(directory: Path) -> None:
    directory.mkdir(mode=0o755)
    await (await Database.open(directory)).close()
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


async def test_a_folder_with_other_things_in_it_is_refused_and_left_as_it_is(directory: Path) -> None:
    directory.mkdir()
    directory.chmod(0o755)
    (directory / "somebody.else").touch()
    with pytest.raises(ModelError) as caught:
        await Database.open(directory)
    assert caught.value.reason is Reason.PATH_NOT_USABLE
    assert stat.S_IMODE(directory.stat().st_mode) == 0o755


async def test_a_path_that_can_be_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelError) as caught:
        await Database.open(tmp_path / "file")
    assert caught.value.reason is Reason.PATH_NOT_USABLE
    assert caught.value.metadata["path"] == str(tmp_path / "file")


async def test_work_that_fails_leaves_nothing_behind(database: Database) -> None:
    def write_and_fail(connection: sqlite3.Connection) -> None:
        write_a(connection)
        raise ModelError(Reason.WRONG_STATE, "no")

    with pytest.raises(ModelError, match="no"):
        await database.run(write_and_fail)
    assert await database.run(rows) == []


async def test_what_was_committed_is_there_after_a_new_start(directory: Path) -> None:
    first = await Database.open(directory)
    await first.run(write_a)
    await first.close()
    second = await Database.open(directory)
    assert await second.run(rows) == ["a"]
    await second.close()


async def test_two_agents_can_not_share_it(directory: Path, database: Database) -> None:
    await database.run(write_a)
    with pytest.raises(ModelError, match="another process") as caught:
        await Database.open(directory, busy_timeout_s=0.1)
    assert caught.value.reason is Reason.TOO_BUSY


async def test_a_full_disk_is_named_and_what_fits_still_works(database: Database) -> None:
    def leave_no_room(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA max_page_count = 1")

    def write_much(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO agent (agent_id, machine_id) VALUES (hex(zeroblob(1000000)), '')")

    await database.run(leave_no_room)
    with pytest.raises(ModelError) as caught:
        await database.run(write_much)
    assert caught.value.reason is Reason.NO_SPACE
    assert caught.value.retry_delay_s is not None
    await database.run(write_a)
    assert await database.run(rows) == ["a"]


async def test_an_error_of_sqlite_never_gets_out(database: Database) -> None:
    def wrong(connection: sqlite3.Connection) -> None:
        connection.execute("SELECT * FROM unheard_of")

    with capture_logs() as logs, pytest.raises(ModelError, match="unheard_of") as caught:
        await database.run(wrong)
    assert caught.value.reason is Reason.INTERNAL
    assert [log["log_level"] for log in logs] == ["error"]


async def test_more_than_may_wait_is_refused_at_once(directory: Path) -> None:
    database = await Database.open(directory, longest_queue=2)
    go = threading.Event()

    def wait(connection: sqlite3.Connection) -> None:
        assert go.wait(60)

    waiting = [asyncio.create_task(database.run(work)) for work in (wait, write_a)]
    await asyncio.sleep(0)
    with pytest.raises(ModelError) as caught:
        await database.run(write_a)
    assert caught.value.reason is Reason.TOO_BUSY
    go.set()
    await asyncio.gather(*waiting)
    assert await database.run(rows) == ["a"]
    await database.close()


async def test_a_wait_has_an_end_and_what_had_not_begun_by_then_is_not_done(directory: Path) -> None:
    database = await Database.open(directory, timeout_s=2.0)
    go = threading.Event()

    def write_late(connection: sqlite3.Connection) -> None:
        assert go.wait(60)
        connection.execute("INSERT INTO agent (agent_id, machine_id) VALUES ('late', '')")

    begun, queued = await asyncio.gather(database.run(write_late), database.run(write_a), return_exceptions=True)
    assert isinstance(begun, UndecidedError)
    assert isinstance(queued, ModelError)
    assert not isinstance(queued, UndecidedError)
    assert begun.reason is queued.reason is Reason.TOO_BUSY
    go.set()
    assert await database.run(rows) == ["late"]
    await database.close()


@pytest.mark.parametrize("beginning", [b"no database at all" * 1000, b"SQLite format 3\0" + b"\xff" * 8192])
async def test_a_damaged_file_is_moved_aside_with_a_loud_log(directory: Path, beginning: bytes) -> None:
    directory.mkdir(mode=0o700)
    (directory / FILE_NAME).write_bytes(beginning)
    with capture_logs() as logs:
        database = await Database.open(directory)
    assert await database.run(rows) == []
    await database.close()
    (log,) = [log for log in logs if log["log_level"] == "error"]
    assert Path(log["moved_to"]).read_bytes() == beginning


async def test_damage_among_the_rows_is_found_at_the_start(directory: Path) -> None:
    def write_much(connection: sqlite3.Connection) -> None:
        for _ in range(1000):
            connection.execute("INSERT INTO agent (agent_id, machine_id) VALUES (hex(randomblob(100)), '')")

    database = await Database.open(directory)
    await database.run(write_much)
    await database.close()
    file = directory / FILE_NAME
    content = file.read_bytes()
    file.write_bytes(content[:-8192] + b"\xff" * 8192)
    with capture_logs() as logs:
        again = await Database.open(directory)
    assert await again.run(rows) == []
    await again.close()
    assert len(list(directory.glob("*.damaged-*"))) == 1
    assert "moved aside" in logs[0]["event"]


async def test_what_a_newer_agent_wrote_is_refused_and_left_as_it_is(directory: Path) -> None:
    database = await Database.open(directory)
    await database.run(lambda connection: connection.execute("INSERT INTO migration VALUES (999, 0)").rowcount)
    await database.close()
    before = (directory / FILE_NAME).read_bytes()
    with pytest.raises(ModelError, match="newer agent") as caught:
        await Database.open(directory)
    assert caught.value.reason is Reason.WRONG_STATE
    assert (directory / FILE_NAME).read_bytes() == before
