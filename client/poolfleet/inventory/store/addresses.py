"""Which store an address means: `sqlite:///inventory.db` or `postgresql://user@host/database`."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from poolfleet.inventory.store.port import InventoryStore, StoreError
from poolfleet.inventory.store.sql_store import SqlStore
from poolfleet.inventory.store.sqlite import SqliteDatabase


def open_store(address: str | None = None) -> InventoryStore:
    """Open the store of the fleet's inventory, and make it where there is none.

    address: `sqlite:///PATH`, or `postgresql://…` as libpq reads it, for which the extra `postgres` is needed. None:
    `inventory.db` in the user's data directory. Raises StoreError.
    """
    if address is None:
        return SqlStore(SqliteDatabase(default_path()))
    try:
        url = make_url(address)
    except ArgumentError:
        # What is no address may be one with a slip, and hold a password.
        raise StoreError("a store is sqlite:///PATH or postgresql://USER@HOST/DATABASE") from None
    match url.get_backend_name():
        case "sqlite" if url.database and not url.query and not url.host:
            return SqlStore(SqliteDatabase(Path(url.database)))
        case "postgresql":
            from poolfleet.inventory.store.postgresql import PostgresDatabase

            return SqlStore(PostgresDatabase(url))
    raise StoreError("a store is sqlite:///PATH or postgresql://USER@HOST/DATABASE")


def default_path() -> Path:
    """`inventory.db` in the user's data directory, as XDG has it."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "poolfleet" / "inventory.db"
