"""The ready questions, and what is said where the answer is not certain."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from poolfleet.inventory.store import commit
from poolfleet.inventory.store.completeness import completeness
from poolfleet.inventory.store.port import InventoryStore, StoredHost
from poolfleet.inventory.store.queries import QUERIES
from poolfleet.inventory.store.staged import Staged
from poolfleet.types.disk import DiskRole
from poolfleet.types.pool import Storage, StorageIdSource
from tests.integration.store.telling import GIB, Teller, disk, read, row, tellers

HOUR_S = 3600.0


def ask(store: InventoryStore, name: str, **values: Any) -> list[dict[str, Any]]:
    sql = QUERIES[name].sql
    given = {"limit": 20, "since_s": time.time() - HOUR_S, **values}
    with store.query(sql, {key: value for key, value in given.items() if f":{key}" in sql}) as found:
        return [dict(zip(found.columns, one, strict=True)) for one in found.rows]


def missing(store: InventoryStore, max_age_s: float = HOUR_S) -> tuple[str, ...]:
    return completeness(store, max_age_s=max_age_s).missing


@pytest.mark.parametrize("name", QUERIES)
def test_of_nothing_there_is_nothing_to_tell(store: InventoryStore, name: str) -> None:
    assert ask(store, name) == []


def test_the_largest_come_first(store: InventoryStore) -> None:
    [one] = tellers(store, "one")
    one.whole(
        "vm",
        [row("small", allocation_bytes=1), row("large", allocation_bytes=2), row("unknown", allocation_bytes=None)],
    )
    assert [each["name"] for each in ask(store, "largest")] == ["large", "small", "unknown"]
    assert [each["name"] for each in ask(store, "largest", limit=1)] == ["large"]


def test_what_a_domain_of_any_host_uses_is_no_orphan(store: InventoryStore) -> None:
    one, two = tellers(store, "one", "two")
    one.whole("vm", [row("disk"), row("base"), row("free")])
    two.whole("vm", [row("disk"), row("base"), row("free")])
    two.uses("web", disk("web", "disk"), disk("web", "base", role=DiskRole.BACKING))
    assert [each["name"] for each in ask(store, "orphans")] == ["free"]


def test_what_another_volume_lies_on_is_no_orphan(store: InventoryStore) -> None:
    [one] = tellers(store, "one")
    one.whole(
        "vm", [row("base"), row("other"), row("top", backing_path="/vm/base"), row("loose", backing_path="other")]
    )
    assert [each["name"] for each in ask(store, "orphans")] == ["loose", "top"]


def test_what_another_volume_lies_on_by_a_link_is_no_orphan(store: InventoryStore) -> None:
    one, two = tellers(store, "one", "two")
    rows = [row("base"), row("free"), row("top", backing_path="/links/golden")]
    one.whole("vm", rows)
    assert [each["name"] for each in ask(store, "orphans")] == ["base", "free", "top"]
    # Whichever host knows it, by its own name of the pool.
    two.whole("vm", rows, target_path="/elsewhere", backing_links=(("/links/golden", "/elsewhere/base"),))
    assert [each["name"] for each in ask(store, "orphans")] == ["free", "top"]
    two.changed("vm", target_path="/elsewhere", backing_links=(("/links/golden", "/elsewhere/free"),))
    assert [each["name"] for each in ask(store, "orphans")] == ["base", "top"]
    # What it leads to beside all pools may be the volume of that name.
    two.changed("vm", target_path="/elsewhere", backing_links=(("/links/golden", "/nobody/knows/base"),))
    assert [each["name"] for each in ask(store, "orphans")] == ["free", "top"]
    two.changed("vm", target_path="/elsewhere")
    assert [each["name"] for each in ask(store, "orphans")] == ["base", "free", "top"]


def test_what_a_pool_that_is_gone_said_of_links_is_forgotten(store: InventoryStore) -> None:
    one, two = tellers(store, "one", "two")
    rows = [row("base"), row("top", backing_path="/links/golden")]
    one.whole("vm", rows)
    two.whole("vm", rows, backing_links=(("/links/golden", "/vm/base"),))
    two.pool_is_gone("vm")
    assert [each["name"] for each in ask(store, "orphans")] == ["base", "top"]
    assert read(store, "SELECT * FROM backing_link") == []


def test_a_file_that_a_domain_uses_outside_of_pools_may_be_the_volume(store: InventoryStore) -> None:
    [one] = tellers(store, "one")
    one.whole("vm", [row("a"), row("b")])
    one.uses("web", disk("web", "", pool="", path="/elsewhere/a"))
    assert [each["name"] for each in ask(store, "orphans")] == ["b"]


def test_what_a_domain_uses_in_a_pool_without_an_id_may_be_the_volume(store: InventoryStore) -> None:
    one, two = tellers(store, "one", "two")
    one.whole("vm", [row("a"), row("b")])
    two.whole("vg", [row("a")], storage=None)
    two.uses("web", disk("web", "a", pool="vg"))
    assert [each["name"] for each in ask(store, "orphans")] == ["b"]
    [nameless] = completeness(store, max_age_s=HOUR_S).unidentified
    assert nameless not in {each["storage_key"] for each in ask(store, "orphans")}


def test_what_domains_use_beside_pools(store: InventoryStore) -> None:
    one, two = tellers(store, "one", "two")
    one.whole("vm", [row("a"), row("b")])
    one.uses("web", disk("web", "a"), *(disk("web", "", pool="", path=path) for path in ("/opt/x", "/opt/b")))
    two.uses("db", *(disk("db", "", pool="", path=path) for path in ("/opt/x", "/opt/b")))
    doubt = "it may be the volume of that name on nfs:10.0.0.5/vm"
    found = [(each["host"], each["path"], each["domains"], each["doubt"]) for each in ask(store, "unmanaged")]
    assert found == [
        ("one", "/opt/b", 1, doubt),  # through another mount of the share
        ("one", "/opt/x", 1, None),
        ("two", "/opt/b", 1, doubt),
        ("two", "/opt/x", 1, None),
    ]


@pytest.mark.parametrize(("filesystem_id", "is_certain"), [("xfs:1", True), ("nfs:10.0.0.5/vm", False), ("", False)])
def test_a_file_of_a_volume_s_name_is_another_where_the_agent_would_have_found_it(
    store: InventoryStore, filesystem_id: str, is_certain: bool
) -> None:
    [one] = tellers(store, "one")
    one.whole("vm", [row("a")], filesystem_id=filesystem_id)
    one.uses("web", disk("web", "", pool="", path="/opt/a"))
    [found] = ask(store, "unmanaged")
    assert (found["doubt"] is None) == is_certain


def test_storages_that_promise_more_than_they_have(store: InventoryStore) -> None:
    [one] = tellers(store, "one")
    one.whole("vm", [row(f"v{i}", capacity_bytes=60 * GIB) for i in range(2)])
    [found] = ask(store, "overcommitted")
    assert (found["storage"], int(found["provisioned_bytes"]), int(found["percent"])) == (
        "nfs:10.0.0.5/vm",
        120 * GIB,
        120,
    )


def test_what_grew(store: InventoryStore) -> None:
    [one] = tellers(store, "one")
    one.whole("vm", [row("a", allocation_bytes=GIB), row("b", allocation_bytes=GIB)])
    one.changed("vm", [row("a", allocation_bytes=3 * GIB)])
    one.changed("vm", [row("a", allocation_bytes=4 * GIB)])
    [found] = ask(store, "growth")
    assert (found["name"], found["before_bytes"], found["growth_bytes"]) == ("a", GIB, 3 * GIB)
    assert ask(store, "growth", since_s=time.time() + 1) == []


def test_storages_that_fill_and_when_they_are_full(store: InventoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    [one] = tellers(store, "one")
    began_s, day_s = time.time(), 86400.0
    told = [(0, 20), (5, 30), (10, 40)]
    for days, allocated in told:
        monkeypatch.setattr(commit, "time", SimpleNamespace(time=lambda days=days: began_s + days * day_s))
        sizes: dict[str, Any] = {"allocation_bytes": allocated * GIB, "available_bytes": (100 - allocated) * GIB}
        if not days:
            one.whole("vm", [row("a")], **sizes)
        else:
            one.changed("vm", **sizes)

    def grown(since_days: float) -> list[tuple[int, int]]:
        found = ask(store, "storage-growth", since_s=began_s + since_days * day_s)
        return [(each["growth_bytes"] // GIB, int(each["full_in_days"])) for each in found]

    assert grown(0) == [(20, 30)]
    assert grown(7) == [(10, 30)], "as it was last before that"
    assert grown(-30) == [(20, 30)], "since it was first heard of"
    assert grown(11) == []


def test_by_storage_host_and_domain(store: InventoryStore) -> None:
    one, two = tellers(store, "one", "two")
    one.whole("vm", [row("a"), row("b")])
    two.whole("vm", [row("a"), row("b")])
    two.uses("web", disk("web", "a"), disk("web", "b"))
    [storage] = ask(store, "by-storage")
    assert (storage["hosts"], storage["volumes"]) == (2, 2)
    assert [(each["host"], each["volumes"], each["domains"]) for each in ask(store, "by-host")] == [
        ("one", 2, 0),
        ("two", 2, 1),
    ]
    [domain] = ask(store, "by-domain")
    assert (domain["domain"], domain["disks"], int(domain["capacity_bytes"])) == ("web", 2, 20 * GIB)


def test_nothing_is_missing_of_hosts_that_told_all(store: InventoryStore) -> None:
    for one in tellers(store, "one", "two"):
        one.whole("vm", [row("a")])
    known = completeness(store, max_age_s=HOUR_S)
    assert known.missing == ()
    assert len(known.not_exclusive) == 1, "a share may have users outside of the fleet"


def test_what_is_missing_is_told(store: InventoryStore) -> None:
    store.enrol([StoredHost(name="one"), StoredHost(name="two"), StoredHost(name="three")], only=True)
    one, two = Teller(store, "one"), Teller(store, "two")
    one.whole("vm", [row("a")], unaddressable_count=2)
    two.whole("local", [row("b")], storage=Storage(id="host:agent-of-two:d:/", source=StorageIdSource.DERIVED))
    two.mark(Staged(), sequence=8, unread=["local", "hung"], missing=["db is gone"])
    store.not_heard("one", "unreachable", "no route")
    store.not_heard("three", "unreachable", "no route")
    told = "\n".join(missing(store))
    for words in (
        "three was never heard of: no route", "one: unreachable: no route", "2 files of vm",
        "two: pools that were never read: hung",
        "two: the volumes of local could not be read", "two: some domains could not be read: db is gone",
    ):  # fmt: skip
        assert words in told


def test_of_a_host_that_only_said_who_it_is_nothing_is_known(store: InventoryStore) -> None:
    [one, _] = tellers(store, "one", "older")
    local = Storage(id="host:agent-of-one:d:/", source=StorageIdSource.DERIVED)
    one.whole("local", [row("a")], storage=local)
    store.not_heard("older", "failed", "the agent cannot do that")
    known = completeness(store, max_age_s=HOUR_S)
    [orphan] = ask(store, "orphans")
    assert known.of(orphan["storage_key"]) == ("older was never heard of: the agent cannot do that",)


def test_of_a_shared_storage_is_missing_what_domains_of_any_host_may_use_by_a_path(store: InventoryStore) -> None:
    one, two = tellers(store, "one", "two")
    local = Storage(id="host:agent-of-one:d:/", source=StorageIdSource.DERIVED)
    one.whole("vm", [row("shared")])
    one.tell_also("local", [row("own")], storage=local)
    two.whole("other", [], storage=Storage(id="host:agent-of-two:d:/", source=StorageIdSource.DERIVED))
    keys = {each["name"]: each["storage_key"] for each in ask(store, "orphans")}
    assert completeness(store, max_age_s=HOUR_S).missing == ()
    two.mark(Staged(), sequence=8, missing=["db is gone"])
    known = completeness(store, max_age_s=HOUR_S)
    assert known.of(keys["shared"]) == ("two: some domains could not be read: db is gone",)
    assert known.of(keys["own"]) == ()
    store.not_heard("two", "unreachable", "no route")
    known = completeness(store, max_age_s=HOUR_S)
    assert "two: unreachable: no route" in known.of(keys["shared"])
    assert known.of(keys["own"]) == ()


def test_what_is_old_is_missing(store: InventoryStore) -> None:
    [one] = tellers(store, "one")
    one.whole("vm", [row("a")])
    assert missing(store, max_age_s=-1) != ()


def test_a_fault_of_one_storage_is_not_one_of_another(store: InventoryStore) -> None:
    one, two = tellers(store, "one", "two")
    for each in (one, two):
        local = Storage(id=f"host:agent-of-{each.host}:d:/", source=StorageIdSource.DERIVED)
        each.whole("local", [row("a")], storage=local)
    store.not_heard("one", "unreachable", "no route")
    known = completeness(store, max_age_s=HOUR_S)
    [(key, _)] = known.by_storage.items()
    keys = {each["storage"]: each["storage_key"] for each in ask(store, "orphans")}
    assert key == keys["host:agent-of-one:d:/"]
    assert known.of(keys["host:agent-of-two:d:/"]) == ()
    assert not known.not_exclusive
