"""A store has one writer at a time, also where a connection to its server is lost."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from functools import partial

import psycopg
import pytest

from poolfleet.inventory.store.addresses import open_store
from poolfleet.inventory.store.port import InventoryStore, StoreError
from poolfleet.inventory.writing import StoreWriter
from scripts.embedded.postgres_server import PostgresServer
from tests.integration.store.telling import names, read, row, tellers

ENDS = """
    SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""


@pytest.fixture
def address(postgres: PostgresServer) -> str:
    return postgres.create(f"test_{uuid.uuid4().hex}")


@pytest.fixture
def store(address: str) -> Iterator[InventoryStore]:
    store = open_store(address)
    store.claim()
    yield store
    store.close()


def lose_connections(address: str) -> None:
    """All of them, as a restart of the server does, or a firewall."""
    with psycopg.connect(address) as connection:
        connection.execute(ENDS)


async def test_calls_that_share_a_transaction_are_not_stored_by_a_connection_without_the_lock(
    address: str, store: InventoryStore
) -> None:
    tellers(store, "one", "two")
    writer = StoreWriter(store)
    lose_connections(address)
    notes = [writer.submit(partial(store.not_heard, host, "failed", "")) for host in ("one", "two")]
    errors = await asyncio.gather(*notes, return_exceptions=True)
    await writer.close()
    with pytest.raises(StoreError, match="the connection was lost"):
        store.not_heard("one", "failed", "")
    assert [type(error) for error in errors] == [StoreError, StoreError]
    assert read(store, "SELECT DISTINCT status FROM host") == [("unreachable",)]


def test_who_has_lost_the_lock_may_take_it_again_and_knows_what_was_stored_meanwhile(
    address: str, store: InventoryStore
) -> None:
    [one] = tellers(store, "one")
    one.whole("vm", [row("a")])
    lose_connections(address)
    other = open_store(address)
    other.claim()
    with pytest.raises(StoreError, match="terminat"):
        store.claim()
    with pytest.raises(StoreError, match="another"):
        store.claim()
    [two] = tellers(other, "two")
    two.whole("vm", [row("b")])
    other.close()
    store.claim()
    assert list(store.standings()) == ["two"]
    assert names(store) == ["b"]
