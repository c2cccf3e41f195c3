"""The agent keeps its id, and a cloned image does not share it."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.ports import AgentStore
from poolfleet_agent.state.agent import SqliteAgent
from poolfleet_agent.state.database import Database


@pytest.fixture
def machine_id_file(tmp_path: Path) -> Path:
    file = tmp_path / "machine-id"
    file.write_text("0123456789abcdef0123456789abcdef\n")
    return file


async def test_it_says_what_this_machine_says(database: Database) -> None:
    store: AgentStore = SqliteAgent(database)
    identity = await store.identity()
    assert uuid.UUID(identity.agent_id).version == 4
    assert identity.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert identity.host_name == os.uname().nodename
    assert identity.kernel == os.uname().release


async def test_the_id_stays_over_restarts(directory: Path, machine_id_file: Path) -> None:
    ids = set()
    for _ in range(2):
        database = await Database.open(directory)
        ids.add((await SqliteAgent(database, machine_id_file=machine_id_file).identity()).agent_id)
        await database.close()
    assert len(ids) == 1


async def test_it_knows_in_which_boot_it_last_ran(database: Database, machine_id_file: Path, tmp_path: Path) -> None:
    boot_id_file = tmp_path / "boot_id"
    store = SqliteAgent(database, machine_id_file=machine_id_file, boot_id_file=boot_id_file)
    seen = []
    for boot_id in ("first", "first", "second"):
        boot_id_file.write_text(boot_id)
        identity = await store.identity()
        seen.append((identity.previous_boot_id, identity.boot_id))
    assert seen == [("", "first"), ("first", "first"), ("first", "second")]


async def test_another_machine_id_brings_another_id_and_then_keeps_it(
    database: Database, machine_id_file: Path
) -> None:
    store = SqliteAgent(database, machine_id_file=machine_id_file)
    before = await store.identity()
    machine_id_file.write_text("f" * 32)
    after = await store.identity()
    assert after.machine_id == "f" * 32
    assert after.agent_id != before.agent_id
    assert await store.identity() == after


async def test_a_machine_id_that_is_lost_or_comes_late_does_not_change_the_id(
    database: Database, machine_id_file: Path, tmp_path: Path
) -> None:
    nowhere = tmp_path / "nowhere"
    first = await SqliteAgent(database, machine_id_file=nowhere).identity()
    assert first.machine_id == ""
    known = await SqliteAgent(database, machine_id_file=machine_id_file).identity()
    lost = await SqliteAgent(database, machine_id_file=nowhere).identity()
    assert first.agent_id == known.agent_id == lost.agent_id
    machine_id_file.write_text("f" * 32)
    assert (await SqliteAgent(database, machine_id_file=machine_id_file).identity()).agent_id != first.agent_id


async def test_a_machine_id_that_can_not_be_read_is_an_error_and_changes_nothing(
    database: Database, machine_id_file: Path, tmp_path: Path
) -> None:
    before = await SqliteAgent(database, machine_id_file=machine_id_file).identity()
    with pytest.raises(ModelError) as caught:
        await SqliteAgent(database, machine_id_file=tmp_path).identity()
    assert caught.value.reason is Reason.PATH_NOT_USABLE
    after = await SqliteAgent(database, machine_id_file=machine_id_file).identity()
    assert (after.agent_id, after.machine_id) == (before.agent_id, before.machine_id)
