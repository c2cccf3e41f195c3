"""`kill -9` between any two saves loses none of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from poolfleet_agent.state.database import Database
from poolfleet_agent.state.operations import SqliteOperations
from poolfleet_agent.state.snapshot import SqliteSnapshot

WRITER = Path(__file__).with_name("endless_writer.py")


@pytest.mark.parametrize("saved_at_least", [1, 40])
async def test_each_row_that_was_saved_is_there_after_a_kill(directory: Path, saved_at_least: int) -> None:
    with subprocess.Popen([sys.executable, WRITER, directory], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        for _ in range(saved_at_least):
            assert writer.stdout.readline()
        writer.kill()
        last = saved_at_least - 1 + len(writer.stdout.readlines())
    with capture_logs() as logs:
        database = await Database.open(directory)
    operations = await SqliteOperations(database).load_all()
    snapshot = await SqliteSnapshot(database).load()
    await database.close()
    assert logs == []
    assert [operation.id for operation in operations][: last + 1] == [str(number) for number in range(last + 1)]
    assert snapshot is not None
    assert snapshot.sequence >= last
