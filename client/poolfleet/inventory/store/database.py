"""What SQLite and PostgreSQL each do in their own way: open, lock, load many rows, and read without a way to write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from sqlalchemy import Connection, Engine

from poolfleet.inventory.store.port import Cell, Rows


class Database(Protocol):
    """One database. Its errors that people can mend are StoreErrors."""

    engine: Engine
    address: str
    """For people; without a password."""

    def claim(self) -> None:
        """Become its only writer until `close`. Raises StoreError while another process is."""

    def load(self, connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Insert rows by the fastest way that the driver has."""

    def read(self, sql: str, values: Mapping[str, Cell]) -> AbstractContextManager[Rows]:
        """Run one statement that cannot change anything. Raises StoreError for one that is wrong, or would."""

    def close(self) -> None:
        """End it."""
