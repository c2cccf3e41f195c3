"""The store that a verb of the inventory works with: its option, and how it is opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from poolfleet.cli.session import UsageError
from poolfleet.cli.verbs import choice

if TYPE_CHECKING:
    from poolfleet.inventory.store.port import InventoryStore

STORE = choice(
    "--store",
    about="sqlite:///PATH or postgresql://…; else POOLFLEET_STORE, or a file in your data directory.",
    metavar="URL",
    envvar="POOLFLEET_STORE",
)
_EXTRAS = {"sqlalchemy": "store", "psycopg": "postgres", "prometheus_client": "store", "pyarrow": "parquet"}


@contextmanager
def opened(address: str | None) -> Iterator[InventoryStore]:
    """Open the store of that address, or the user's own. Raises StoreError."""
    with needing_extras():
        from poolfleet.inventory.store.addresses import open_store

        store = open_store(address)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def needing_extras() -> Iterator[None]:
    """Say which of poolfleet's extras is missing, where an import fails for that."""
    try:
        yield
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        raise UsageError(f"this needs {error.name}: pip install 'poolfleet[{extra}]'") from error
