"""The store in a file: SQLite, which comes with Python."""

from __future__ import annotations

import fcntl
import os
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, Engine, StaticPool, create_engine, event

from poolfleet.inventory.store.port import Cell, Rows, StoreError
from poolfleet.inventory.store.schema import INCOMING

# What a statement may do that only reads.
_READING = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})
_BUSY_S = 30.0
_ROWS_AT_ONCE = 250


class SqliteDatabase:
    """A file, readable by its owner alone. Implements Database."""

    def __init__(self, path: Path) -> None:
        """Open or make it. Raises StoreError."""
        self.address = f"sqlite:///{path}"
        self._path = path
        self._lock: IO[bytes] | None = None
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # SQLite gives the files beside it the same permissions.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from error
        self.engine = _engine(path)

    def claim(self) -> None:
        """Lock a file beside it, for as long as this process has it open."""
        path = self._path.with_name(f"{self._path.name}.lock")
        try:
            self._lock = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "wb")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError(f"{self.address}: another `inventory sync` writes to it") from error
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from error

    def load(self, connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Insert rows by the driver itself, many with each statement.

        `executemany` would let other threads run at each row, and wait for them.
        """
        driver: Any = connection.connection.driver_connection
        head = f"INSERT INTO {table} ({', '.join(columns)}) VALUES "  # noqa: S608  (names of ours)
        places = f"({', '.join('?' * len(columns))})"
        source = iter(rows)
        while some := list(islice(source, _ROWS_AT_ONCE)):
            driver.execute(head + ", ".join([places] * len(some)), list(chain.from_iterable(some)))

    @contextmanager
    def read(self, sql: str, values: Mapping[str, Cell]) -> Iterator[Rows]:
        """Run one statement on a connection that cannot write, nor reach another file."""
        address = f"file:{self._path.absolute().as_posix().replace('%', '%25').replace('?', '%3f').replace('#', '%23')}"
        try:
            with closing(sqlite3.connect(f"{address}?mode=ro", uri=True, timeout=_BUSY_S)) as connection:
                connection.set_authorizer(_only_reading)
                cursor = connection.execute(sql, values)
                yield Rows(columns=[title for title, *_ in cursor.description or ()], rows=cursor)
        except sqlite3.Error as error:
            words = "it may only read" if "not authorized" in str(error) else str(error)
            raise StoreError(f"{self.address}: {words}") from error

    def close(self) -> None:
        """End it."""
        self.engine.dispose()
        if self._lock is not None:
            self._lock.close()


def _only_reading(action: int, *_: object) -> int:
    return sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY


def _engine(path: Path) -> Engine:
    # One connection, which belongs to no thread: its users take turns.
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=StaticPool,
        connect_args={"check_same_thread": False, "timeout": _BUSY_S, "isolation_level": None},
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: object) -> None:
        # A commit survives the end of the process, and the last ones not always that of the machine: agents tell again.
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "temp_store=MEMORY",
            "cache_size=-65536",
            "wal_autocheckpoint=16384",
        ):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(re.sub(r"\s+", " ", INCOMING))

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # Python's own way begins a transaction at the first write, after what was read for it.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
