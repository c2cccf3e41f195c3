"""What several hosts told is stored at once, or nothing of it: also where the process ends in the middle."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from poolfleet.inventory.store.addresses import open_store
from poolfleet.inventory.store.port import InventoryStore, StaleRevision, StoredHost, StoreError
from poolfleet.inventory.store.sql_store import SqlStore
from poolfleet.inventory.store.staged import Staged
from poolfleet.types.inventory import Bookmark, InventoryBatch, PoolChange
from poolfleet.types.snapshot import Revision
from tests.integration.store.telling import names, pool, read, resume_point, row, tellers

ROOT = Path(__file__).parents[3]
LIMIT_S = 60.0
ENDS_IN_THE_MIDDLE = """
import os, signal, sys
from poolfleet.inventory.store.addresses import open_store
from tests.integration.store.telling import row, tellers
store = open_store(sys.argv[1])
store.claim()
one, two = tellers(store, "one", "two")
one.whole("vm", [row("before")], digest="d1")
with store.together():
    one.changed("vm", [row("after")])
    two.whole("vm", [row("before"), row("after")])
    os.kill(os.getpid(), signal.SIGKILL)
"""


def told(*, sequence: int) -> Staged:
    """That a host is still there."""
    bookmark = Bookmark(
        revision=Revision(epoch="e1", sequence=sequence), filter_digest="f", as_of=None, age_s=None, unread_pools=(),
        domains_as_of=None, domains_missing=(),
    )  # fmt: skip
    return Staged(bookmark=bookmark)


def test_a_process_that_ends_in_the_middle_has_stored_nothing_of_it(address: str) -> None:
    done = subprocess.run([sys.executable, "-c", ENDS_IN_THE_MIDDLE, address], cwd=ROOT, timeout=LIMIT_S)
    assert done.returncode == -signal.SIGKILL
    again = open_store(address)
    again.claim()
    try:
        assert names(again) == ["before"]
        point = resume_point(again, "one")
        assert point is not None
        assert (point.bookmark.revision.sequence, dict(point.digests)) == (1, {"uuid-of-vm": "d1"})
        assert resume_point(again, "two") is None
        [_, two] = tellers(again, "one", "two")
        two.whole("vm", [row("before"), row("after")])
        assert names(again) == ["after", "before"]
    finally:
        again.close()


def test_an_error_takes_all_of_it_back_also_what_the_store_remembers(store: InventoryStore) -> None:
    one, two = tellers(store, "one", "two")
    one.whole("vm", [row("a")], digest="d1")

    def all_of_it() -> None:
        with store.together():
            two.whole("other", [row("b")], storage=None)
            one.changed("vm", [row("c")])
            store.commit("one", told(sequence=0))

    with pytest.raises(StaleRevision):
        all_of_it()
    assert names(store) == ["a"]
    assert resume_point(store, "two") is None
    point = resume_point(store, "one")
    assert point is not None
    assert (point.bookmark.revision.sequence, dict(point.digests)) == (1, {"uuid-of-vm": "d1"})
    with store.together():
        two.whole("other", [row("b")], storage=None)
        one.changed("vm", [row("c")])
    assert names(store) == ["a", "b", "c"]


def test_a_commit_that_fails_takes_all_of_it_back_also_what_the_store_remembers(store: InventoryStore) -> None:
    assert isinstance(store, SqlStore)
    one, two = tellers(store, "one", "two")
    one.whole("vm", [row("a")], digest="d1")
    if store.address.startswith("sqlite"):
        with store._database.engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            driver.execute("PRAGMA foreign_keys = ON")  # within a transaction it has no effect
    with store._transaction() as connection:
        connection.exec_driver_sql("CREATE TABLE parent (key INTEGER PRIMARY KEY)")
        connection.exec_driver_sql(
            "CREATE TABLE child (parent INTEGER REFERENCES parent (key) DEFERRABLE INITIALLY DEFERRED)"
        )

    def all_of_it() -> None:
        with store.together(), store._transaction() as connection:
            two.whole("other", [row("b")], storage=None)
            one.changed("vm", [row("c")])
            connection.exec_driver_sql("INSERT INTO child VALUES (1)")  # which is looked at by the COMMIT

    with pytest.raises(StoreError, match=r"(?i)foreign key"):
        all_of_it()
    assert names(store) == ["a"]
    point = resume_point(store, "one")
    assert point is not None
    assert (point.bookmark.revision.sequence, dict(point.digests)) == (1, {"uuid-of-vm": "d1"})
    assert resume_point(store, "two") is None
    assert store.enrol([StoredHost(name="one")], only=True) == ["two"]
    assert names(store) == ["a"]


def test_two_pools_that_are_the_first_on_a_storage_may_be_told_in_one_breath(store: InventoryStore) -> None:
    [one] = tellers(store, "one")
    change = PoolChange(pool_uuid="uuid-of-vm", name="vm", row=pool("vm"), whole=True, rows=[row("a")])
    again = PoolChange(pool_uuid="uuid-of-b", name="b", row=pool("b"), whole=True, rows=[row("a"), row("b")])
    one.tell(InventoryBatch(pools=(change, again)), from_nothing=True)
    assert names(store) == ["a", "b"]


def test_a_bookmark_that_only_repeats_says_that_the_host_was_heard(store: InventoryStore) -> None:
    [one] = tellers(store, "one")
    one.whole("vm", [row("a")], digest="d1")
    store.not_heard("one", "unreachable", "no answer")
    [(before,)] = read(store, "SELECT heard_at_s FROM host")
    store.commit("one", told(sequence=7))
    [(status, sequence, after)] = read(store, "SELECT status, sequence, heard_at_s FROM host")
    assert (status, sequence) == ("ok", 7)
    assert after > before
    assert names(store) == ["a"]
    point = resume_point(store, "one")
    assert point is not None
    assert (point.bookmark.revision.sequence, dict(point.digests)) == (7, {"uuid-of-vm": "d1"})


@pytest.mark.parametrize("count", [1, 99, 101])
def test_few_changes_and_many_are_stored_alike(store: InventoryStore, count: int) -> None:
    [one] = tellers(store, "one")
    one.whole("vm", [row(f"v{number}", allocation_bytes=1) for number in range(count)])
    big = 1 << 30
    one.changed("vm", [row(f"v{number}", allocation_bytes=big) for number in range(count)] + [row("new")])
    assert read(store, "SELECT count(*), min(allocation_bytes) FROM volumes") == [(count + 1, big)]
    assert read(store, "SELECT count(*), max(allocation_bytes) FROM volume_size") == [(count, 1)]


def test_what_the_database_refuses_is_an_error_of_the_store(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/inventory.db")
    assert isinstance(store, SqlStore)
    [one] = tellers(store, "one")
    with store._database.engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 64")
    with pytest.raises(StoreError, match="full"):
        one.whole("vm", [row(f"{number:0200}") for number in range(5000)])
    assert names(store) == []
    store.close()
