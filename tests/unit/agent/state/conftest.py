"""A real database in a folder of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from poolfleet_agent.state.database import Database


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
async def database(directory: Path) -> AsyncIterator[Database]:
    database = await Database.open(directory)
    yield database
    await database.close()
