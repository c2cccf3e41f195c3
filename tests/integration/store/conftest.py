"""A store in each database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from poolfleet.inventory.store.addresses import open_store
from poolfleet.inventory.store.port import InventoryStore


@pytest.fixture(params=["sqlite"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/inventory.db"


@pytest.fixture
def store(address: str) -> Iterator[InventoryStore]:
    store = open_store(address)
    yield store
    store.close()
