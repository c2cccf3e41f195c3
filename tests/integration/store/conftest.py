"""A store in each database."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from poolfleet.inventory.store.addresses import open_store
from poolfleet.inventory.store.port import InventoryStore
from scripts.embedded.postgres_server import PostgresServer, postgres_server


@pytest.fixture(scope="session")
def postgres(short_dir: Path) -> Iterator[PostgresServer]:
    """One server for all tests; each has a database of its own."""
    with postgres_server(short_dir / "pg", durable=False) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where nothing is stored yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/inventory.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.create(f"test_{uuid.uuid4().hex}")


@pytest.fixture
def store(address: str) -> Iterator[InventoryStore]:
    """A store that is empty."""
    store = open_store(address)
    yield store
    store.close()
