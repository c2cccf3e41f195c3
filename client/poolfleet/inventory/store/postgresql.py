"""The store in a PostgreSQL database, by psycopg."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import URL, Connection, StaticPool, create_engine, event, text
from sqlalchemy.exc import SQLAlchemyError

from poolfleet.inventory.store.port import Cell, Rows, StoreError
from poolfleet.inventory.store.schema import INCOMING

# "poolflet" as a number: what its writers of one database agree on.
_WRITER = 0x706F6F6C666C6574
_PATIENCE_S = 3


class PostgresDatabase:
    """A database of a server. Implements Database."""

    def __init__(self, url: URL) -> None:
        """Connect. Raises StoreError."""
        # Of its options only where the server is: a password may stand among them too.
        shown = {name: value for name, value in url.query.items() if name == "host"}
        self.address = url.set(drivername="postgresql", query=shown).render_as_string(hide_password=True)
        self.engine = create_engine(url.set(drivername="postgresql+psycopg"), poolclass=StaticPool)
        self._libpq = url.set(drivername="postgresql").render_as_string(hide_password=False)

        self._claimed = False

        @event.listens_for(self.engine, "do_connect")
        def refuse(*_: object) -> None:
            if self._claimed:
                raise StoreError(f"{self.address}: the connection was lost, and with it the lock of its only writer")

        @event.listens_for(self.engine, "connect")
        def configure(connection: Any, _: object) -> None:
            connection.execute(INCOMING)
            # As SQLite's: a commit survives the end of every process, the last ones not always that of the machine.
            connection.execute("SET synchronous_commit = off")
            connection.commit()

    def claim(self) -> None:
        """Take a lock that ends with the connection; after that nothing is written until it is taken again."""
        self._claimed = False
        try:
            with self.engine.begin() as connection:
                # One that has just ended holds it until the server has noticed.
                connection.execute(text(f"SET LOCAL lock_timeout = '{_PATIENCE_S}s'"))
                connection.execute(text("SELECT pg_advisory_lock(:writer)"), {"writer": _WRITER})
        except SQLAlchemyError as error:
            cause = getattr(error, "orig", error)
            if isinstance(cause, psycopg.errors.LockNotAvailable):
                raise StoreError(f"{self.address}: another `inventory sync` writes to it") from None
            raise StoreError(f"{self.address}: {cause}") from None
        self._claimed = True

    def load(self, connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Insert rows by COPY."""
        driver: Any = connection.connection.driver_connection
        with driver.cursor().copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)

    @contextmanager
    def read(self, sql: str, values: Mapping[str, Cell]) -> Iterator[Rows]:
        """Run one statement in a transaction that cannot write."""
        options = "-c default_transaction_read_only=on -c statement_timeout=0"
        try:
            with psycopg.connect(self._libpq, options=options) as connection, connection.cursor() as cursor:
                # Prepared: then a second statement after the first is an error, and cannot end the transaction.
                if values:
                    cursor.execute(str(text(sql).compile(dialect=self.engine.dialect)), values, prepare=True)
                else:
                    cursor.execute(sql, prepare=True)
                yield Rows(columns=[column.name for column in cursor.description or ()], rows=iter(cursor))
        except psycopg.Error as error:
            raise StoreError(f"{self.address}: {str(error).strip()}") from None

    def close(self) -> None:
        """End it."""
        self.engine.dispose()
