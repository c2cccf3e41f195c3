"""What every store does, whatever database it is in."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from poolfleet.agent.convert.scalars import Numbers
from poolfleet.inventory.store.addresses import open_store
from poolfleet.inventory.store.completeness import completeness
from poolfleet.inventory.store.port import InventoryStore, StaleRevision, StoredHost, StoreError, Unstorable
from poolfleet.inventory.store.staged import Staged
from poolfleet.types.inventory import InventoryBatch, PoolChange, ResyncReason, VolumeRow
from poolfleet.types.pool import PoolState, Storage, StorageIdSource
from poolfleet.v1 import pool_pb2, snapshot_pb2
from tests.integration.store.telling import GIB, Teller, disk, names, pool, read, resume_point, row, tellers


def local(host: str) -> Storage:
    return Storage(id=f"host:agent-of-{host}:disk:/vm", source=StorageIdSource.DERIVED)


def test_what_a_later_contract_says_of_a_pool_is_read_back(store: InventoryStore, address: str) -> None:
    [one] = tellers(store, "one")
    state = Numbers(pool_pb2.PoolState.items(), "POOL_STATE_", PoolState)[77]
    source = Numbers(snapshot_pb2.Storage.Source.items(), "SOURCE_", StorageIdSource)[77]
    one.whole("vm", [row("a")], storage=Storage(id="shared", source=source))
    one.tell_also("other", [], state=state)
    store.close()
    again = open_store(address)
    assert read(again, "SELECT state, storage_source FROM pool ORDER BY name") == [
        ("unknown-77", "derived"), ("running", "unknown-77"),
    ]  # fmt: skip
    again.enrol([StoredHost(name="two")], only=False)
    assert completeness(again, max_age_s=60).by_storage == {}
    assert names(again, "shared") == ["a"]
    again.close()


def test_what_one_host_tells_and_no_database_can_store_is_refused_alone(store: InventoryStore) -> None:
    one, two = tellers(store, "one", "two")
    one.whole("vm", [row("a")])
    beyond = row("b", capacity_bytes=1 << 63)
    refused: list[Callable[[], None]] = [
        lambda: one.changed("unheard-of", [row("b")]),
        lambda: one.changed("vm", [beyond]),
        lambda: one.tell_also("other", [beyond]),
        lambda: two.whole("vm", [row("b"), row("b")], storage=local("two")),
    ]
    for tell in refused:
        with pytest.raises(Unstorable):
            tell()
    assert names(store) == ["a"]
    two.whole("vm", [row("a"), row("b")])
    assert names(store) == ["a", "b"]


def test_why_a_host_is_not_heard_is_stored_whatever_the_words(store: InventoryStore) -> None:
    tellers(store, "one")
    store.not_heard("one", "failed", "it\0failed")
    assert read(store, "SELECT error FROM host") == [("itfailed",)]


def test_what_is_stored_of_a_host_that_answers_as_another_one_is_said_to_be_old(store: InventoryStore) -> None:
    one, two = tellers(store, "one", "two")
    one.whole("vm", [row("a")])
    two.whole("vm", [row("a")])
    store.enrol([StoredHost(name="three")], only=False)
    for host in ("one", "three"):
        assert store.identify(host, "agent-of-two") == "two"
        store.not_heard(host, "duplicate", "")
    [line] = completeness(store, max_age_s=60).missing
    assert line == "one answers as another host's agent now: what is stored of it is old"


def test_an_agent_that_moves_to_another_host_is_taken_over_from_where_it_was(store: InventoryStore) -> None:
    one, two = tellers(store, "one", "two")
    one.whole("vm", [row("a")], storage=local("one"))
    two.whole("vm", [row("b")], storage=local("two"))
    store.not_heard("one", "duplicate", "")
    assert store.identify("one", "agent-of-two", moves=True) == ""
    assert names(store) == []
    assert {name: standing.agent_id for name, standing in store.standings().items()} == {
        "one": "agent-of-two", "two": "",
    }  # fmt: skip
    lacks = completeness(store, max_age_s=60).missing
    assert [line.partition(":")[0] for line in lacks] == ["one was never heard of", "two was never heard of"]
    assert store.identify("two", "agent-of-one") == ""
    one.whole("vm", [row("b")], storage=local("two"))
    assert names(store) == ["b"]


def test_a_volume_of_a_shared_storage_is_stored_once(store: InventoryStore) -> None:
    one, two = tellers(store, "one", "two")
    one.whole("vm", [row("a"), row("b")])
    two.whole("vm", [row("a"), row("b")])
    assert names(store) == ["a", "b"]
    places = read(store, "SELECT host, pool, path FROM volume_places WHERE name = 'a' ORDER BY host")
    assert places == [("one", "vm", "/vm/a"), ("two", "vm", "/vm/a")]


def test_volumes_of_one_name_on_two_storages_are_two(store: InventoryStore) -> None:
    one, two = tellers(store, "one", "two")
    one.whole("vm", [row("a")], storage=local("one"))
    two.whole("vm", [row("a")], storage=local("two"))
    assert names(store) == ["a", "a"]
    assert names(store, "host:agent-of-two:disk:/vm") == ["a"]


def test_a_change_and_a_removal_are_taken_over(store: InventoryStore) -> None:
    [one] = tellers(store, "one")
    one.whole("vm", [row("a"), row("b"), row("c")])
    one.changed("vm", [row("b", capacity_bytes=20 * GIB), row("d")], gone=["c"])
    assert read(store, "SELECT name, capacity_bytes FROM volumes ORDER BY name") == [
        ("a", 10 * GIB), ("b", 20 * GIB), ("d", 10 * GIB),
    ]  # fmt: skip


def test_a_host_that_leaves_does_not_take_a_volume_that_another_has(store: InventoryStore) -> None:
    one, two = tellers(store, "one", "two")
    one.whole("vm", [row("a")])
    two.whole("vm", [row("a")])
    one.pool_is_gone("vm")
    assert names(store) == ["a"]
    assert store.enrol([StoredHost(name="two")], only=True) == ["one"]
    assert names(store) == ["a"]
    two.changed("vm", gone=["a"])
    assert names(store) == []


def test_the_last_one_takes_the_volumes_with_it(store: InventoryStore) -> None:
    one, two = tellers(store, "one", "two")
    one.whole("vm", [row("a")])
    two.whole("vm", [row("a")])
    one.changed("vm", active=False)
    two.changed("vm", active=False)
    assert names(store) == []


def test_who_has_not_seen_a_volume_yet_does_not_take_it_away(store: InventoryStore) -> None:
    one, two = tellers(store, "one", "two")
    one.whole("vm", [row("a")])
    one.changed("vm", [row("new")])
    two.whole("vm", [row("a")], age_s=50)
    assert names(store) == ["a", "new"]
    one.changed("vm", gone=["new"])
    assert names(store) == ["a"]


def test_what_was_looked_at_earlier_does_not_win(store: InventoryStore) -> None:
    one, two = tellers(store, "one", "two")
    one.whole("vm", [row("a", capacity_bytes=20 * GIB)], age_s=1)
    two.whole("vm", [row("a", capacity_bytes=10 * GIB)], age_s=50)
    assert read(store, "SELECT capacity_bytes FROM volumes") == [(20 * GIB,)]
    two.changed("vm", [row("a", capacity_bytes=30 * GIB)])
    assert read(store, "SELECT capacity_bytes FROM volumes") == [(30 * GIB,)]


def test_a_removal_is_believed_where_the_one_that_told_is_not_heard_of(store: InventoryStore) -> None:
    one, two = tellers(store, "one", "two")
    one.whole("vm", [row("a")])
    two.whole("vm", [row("a")])
    two.changed("vm", gone=["a"])
    assert names(store) == ["a"], "one has told it, and would say if it were gone"
    store.not_heard("one", "unreachable", "no answer")
    two.changed("vm", gone=["a"])
    assert names(store) == []


def test_a_resync_removes_what_was_neither_told_nor_named_unchanged(store: InventoryStore) -> None:
    [one] = tellers(store, "one")
    staged = Staged(from_nothing=True)
    staged.apply(InventoryBatch(pools=tuple(share(name, row("v"), row("w")) for name in ("told", "same", "lost"))))
    one.mark(staged, sequence=1)
    one.uses("web", disk("web", "v", pool="told"))
    anew = Staged(first=True)
    same = PoolChange(pool_uuid="uuid-of-same", name="same", unchanged=True)
    anew.apply(InventoryBatch(resync=ResyncReason.OTHER_EPOCH, pools=(same,)))
    anew.apply(InventoryBatch(pools=(share("told", row("w")),)))
    one.mark(anew, sequence=1, epoch="e2")
    assert read(store, "SELECT storage, name FROM volumes ORDER BY storage, name") == [
        ("nfs:10.0.0.5/same", "v"), ("nfs:10.0.0.5/same", "w"), ("nfs:10.0.0.5/told", "w"),
    ]  # fmt: skip
    assert read(store, "SELECT pool FROM pools ORDER BY pool") == [("same",), ("told",)]
    assert read(store, "SELECT domain FROM domain_disk") == []


def share(name: str, *rows: VolumeRow) -> PoolChange:
    """A pool on a storage of its own, told whole."""
    storage = Storage(id=f"nfs:10.0.0.5/{name}", source=StorageIdSource.DERIVED)
    return PoolChange(pool_uuid=f"uuid-of-{name}", name=name, row=pool(name, storage), whole=True, rows=rows)


def test_a_bookmark_may_be_repeated_and_not_go_back(store: InventoryStore) -> None:
    [one] = tellers(store, "one")
    one.mark(Staged(from_nothing=True), sequence=5)
    one.mark(Staged(), sequence=5)
    staged = Staged()
    staged.apply(InventoryBatch(pools=(share("vm", row("a")),)))
    with pytest.raises(StaleRevision, match="4"):
        one.mark(staged, sequence=4)
    assert names(store) == [], "nothing of it was stored"
    one.mark(Staged(first=True), sequence=1, epoch="e2")


def test_where_to_go_on_survives_the_end_of_the_process(store: InventoryStore, address: str) -> None:
    [one] = tellers(store, "one")
    assert resume_point(store, "one") is None
    one.whole("vm", [row("a")], digest="d1")
    store.close()
    again = open_store(address)
    point = resume_point(again, "one")
    assert point is not None
    assert (point.bookmark.revision.epoch, point.bookmark.revision.sequence) == ("e1", 1)
    assert (point.bookmark.filter_digest, dict(point.digests)) == ("f", {"uuid-of-vm": "d1"})
    again.close()


def test_two_spellings_turn_out_to_be_one_storage(store: InventoryStore) -> None:
    one, two, three = tellers(store, "one", "two", "three")
    one.whole("vm", [row("a")], storage=Storage(id="nfs:10.0.0.5/vm", source=StorageIdSource.DERIVED))
    two.whole("vm", [row("a"), row("b")], storage=Storage(id="nfs:filer/vm", source=StorageIdSource.DERIVED))
    assert names(store) == ["a", "a", "b"]
    both = Storage(id="nfs:10.0.0.5/vm", source=StorageIdSource.DERIVED, aliases=("nfs:filer/vm",))
    three.whole("vm", [row("a"), row("b")], storage=both)
    assert names(store) == ["a", "b"]
    assert read(store, "SELECT DISTINCT storage FROM pools") == [("nfs:10.0.0.5/vm",)]


def test_an_adopted_storage_keeps_its_volumes_while_its_hosts_learn_of_it(store: InventoryStore) -> None:
    one, two = tellers(store, "one", "two")
    one.whole("vm", [row("a")])
    two.whole("vm", [row("a")])
    adopted = Storage(id="6f1c", source=StorageIdSource.MARKER, aliases=())
    one.changed("vm", storage=adopted)
    assert read(store, "SELECT storage, name FROM volumes ORDER BY storage") == [
        ("6f1c", "a"),
        ("nfs:10.0.0.5/vm", "a"),
    ]
    two.changed("vm", storage=adopted)
    assert read(store, "SELECT storage, name FROM volumes") == [("6f1c", "a")]


def test_an_agent_that_is_another_one_begins_anew(store: InventoryStore) -> None:
    [one] = tellers(store, "one")
    one.whole("vm", [row("a")])
    assert store.identify("one", "agent-of-one") == ""
    assert names(store) == ["a"]
    assert store.identify("one", "another") == ""
    assert names(store) == []
    assert resume_point(store, "one") is None


def test_two_entries_that_are_one_agent_are_told(store: InventoryStore) -> None:
    tellers(store, "one", "two")
    assert store.identify("two", "agent-of-one") == "one"


def test_sizes_are_remembered_where_they_changed_much(store: InventoryStore) -> None:
    [one] = tellers(store, "one")
    one.whole("vm", [row("a", allocation_bytes=GIB), row("b", allocation_bytes=GIB)])
    one.changed("vm", [row("a", allocation_bytes=GIB + 4096), row("b", allocation_bytes=3 * GIB)])
    assert read(store, "SELECT name, allocation_bytes FROM volume_size") == [("b", GIB)]


def test_completeness_is_stored(store: InventoryStore) -> None:
    [one] = tellers(store, "one")
    one.whole("vm", [row("a")])
    one.mark(Staged(), sequence=9, unread=["vm"], missing=["web could not be read"])
    assert read(store, "SELECT unread FROM pools") == [("POOL_UNRESPONSIVE",)]
    assert read(store, "SELECT status, domains_missing FROM host") == [("ok", "web could not be read")]
    one.mark(Staged(), sequence=9)
    assert read(store, "SELECT unread FROM pools") == [("",)]


def test_the_disks_of_a_domain_are_those_told_last(store: InventoryStore) -> None:
    [one] = tellers(store, "one")
    one.whole("vm", [row("a"), row("b")])
    one.uses("web", disk("web", "a"), disk("web", "b"))
    one.uses("db", disk("db", "b"))
    one.uses("web", disk("web", "b"))
    users = read(store, "SELECT name, host, domain FROM volume_users ORDER BY name, domain")
    assert users == [("b", "one", "db"), ("b", "one", "web")]
    one.uses("web")
    assert read(store, "SELECT domain FROM volume_users") == [("db",)]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM volume",
        "SELECT 1; DELETE FROM volume",
        "COMMIT; DELETE FROM volume",
        "INSERT INTO about VALUES (2)",
        "CREATE TABLE other (a int)",
        "ATTACH DATABASE '/tmp/other.db' AS other",
        "PRAGMA journal_mode=DELETE",
        "SELEC name FROM volume",
    ],
)
def test_a_query_changes_nothing(store: InventoryStore, statement: str) -> None:
    [one] = tellers(store, "one")
    one.whole("vm", [row("a")])
    with pytest.raises(StoreError):
        read(store, statement)
    assert names(store) == ["a"]


def test_one_writer_at_a_time(store: InventoryStore, address: str) -> None:
    store.claim()
    other = open_store(address)
    with pytest.raises(StoreError, match="another"):
        other.claim()
    store.close()
    other.claim()
    other.close()


def test_who_inherits_a_volume_is_asked_anew(store: InventoryStore) -> None:
    one, two = tellers(store, "one", "two")
    one.whole("vm", [row("a")])
    two.whole("vm", [row("a")], digest="d")
    assert resume_point(store, "two") is not None
    one.pool_is_gone("vm")
    assert resume_point(store, "two") is None, "two may have told long ago that it is gone"
    two.whole("vm", [])
    assert names(store) == []
    assert resume_point(store, "two") is not None


def test_two_pools_of_one_host_on_one_storage(store: InventoryStore) -> None:
    [one] = tellers(store, "one")
    one.whole("vm", [row("a")])
    one.tell_also("again", [row("a"), row("b")])
    assert names(store) == ["a", "b"]
    one.pool_is_gone("vm")
    assert names(store) == ["a", "b"]


def test_a_storage_of_the_same_name_at_another_site_is_another(store: InventoryStore) -> None:
    store.enrol([StoredHost(name="one", site="ams"), StoredHost(name="two", site="fra")], only=True)
    one, two = Teller(store, "one"), Teller(store, "two")
    one.whole("vm", [row("a")])
    two.whole("vm", [row("a")])
    assert read(store, "SELECT storage FROM volumes ORDER BY storage") == [
        ("nfs:10.0.0.5/vm@ams",), ("nfs:10.0.0.5/vm@fra",),
    ]  # fmt: skip
    store.enrol([StoredHost(name="one", site="ams"), StoredHost(name="two", site="ams")], only=True)
    two = Teller(store, "two")
    two.whole("vm", [row("a")])
    assert names(store) == ["a"]
    store.enrol([StoredHost(name="one", site="ams"), StoredHost(name="two", site="ams")], only=True)
    assert read(store, "SELECT storage FROM volumes") == [("nfs:10.0.0.5/vm",)]
