"""`inventory query` and `inventory export`, as people and programs call them."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from poolfleet.inventory.store.addresses import open_store
from poolfleet.inventory.store.export import PARTS, write_csv, write_json, write_parquet
from poolfleet.inventory.store.port import InventoryStore
from poolfleet.types.pool import Storage, StorageIdSource, StorageSigns
from tests.integration.store.telling import GIB, NOON, disk, row, tellers

LOCAL = Storage(id="host:agent-of-one:disk:/vm", source=StorageIdSource.DERIVED)


def poolfleet(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    program = str(Path(sys.executable).with_name("poolfleet"))
    return subprocess.run(
        [program, *words], capture_output=True, text=True, timeout=60, env={"PATH": "/usr/bin:/bin", **environment}
    )


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[str]:
    """A store with a local storage and a shared one, both with an orphan."""
    address = f"sqlite:///{tmp_path}/inventory.db"
    store = open_store(address)
    one, two = tellers(store, "one", "two")
    one.whole("vm", [row("lonely"), row("used")])
    two.whole("vm", [row("lonely"), row("used")])
    one.tell_also("local", [row("alone", allocation_bytes=5 * GIB)], storage=LOCAL)
    one.uses("web", disk("web", "used"))
    yield address
    store.close()


def test_a_ready_question_is_answered_as_a_table(kept: str) -> None:
    done = poolfleet("inventory", "query", "largest", "--limit", "1", "--store", kept)
    assert done.stdout.splitlines() == [
        "STORAGE                     NAME   FORMAT  CAPACITY  ALLOCATION",
        "host:agent-of-one:disk:/vm  alone  qcow2    10.0GiB      5.0GiB",
    ]
    assert (done.returncode, done.stderr) == (0, "")


def test_sql_is_answered_for_programs_too(kept: str) -> None:
    sql = "SELECT name, capacity_bytes FROM volumes WHERE name LIKE 'u%'"
    done = poolfleet("inventory", "query", sql, "-o", "json", POOLFLEET_STORE=kept)
    answer = json.loads(done.stdout)
    assert (answer["rows"], answer["complete"]) == ([{"name": "used", "capacity_bytes": 10 * GIB}], True)


def test_orphans_of_a_share_are_told_where_a_person_says_that_it_is_the_fleets(kept: str) -> None:
    done = poolfleet("inventory", "query", "orphans", "-o", "name", "--store", kept)
    assert done.stdout.split() == ["host:agent-of-one:disk:/vm"]
    assert "not said of 1 volume of nfs:10.0.0.5/vm: hosts outside of this fleet may use it" in done.stderr
    done = poolfleet("inventory", "query", "orphans", "-o", "json", "--assume-exclusive", "--store", kept)
    assert [one["name"] for one in json.loads(done.stdout)["rows"]] == ["alone", "lonely"]


@pytest.mark.parametrize(
    ("signed", "orphans", "says"),
    [
        (["agent-of-one", "agent-of-two"], ["v"], ""),
        (["agent-of-one"], [], "hosts outside of this fleet may use it"),
        (["agent-of-one", "agent-of-two", "x"], [], "hosts that told nothing have it too"),
    ],
)
def test_orphans_of_an_adopted_share_are_told_where_every_agent_that_has_it_is_the_fleets(
    address: str, store: InventoryStore, signed: list[str], orphans: list[str], says: str
) -> None:
    signs = StorageSigns(since=NOON, agent_ids=tuple(signed))
    adopted = Storage(id="0f1e2d3c", source=StorageIdSource.MARKER, signs=signs)
    for each in tellers(store, "one", "two"):
        each.whole("vm", [row("v")], storage=adopted)
    done = poolfleet("inventory", "query", "orphans", "-o", "json", "--store", address)
    assert [found["name"] for found in json.loads(done.stdout)["rows"]] == orphans
    assert says in done.stderr


def test_where_all_have_signed_a_silent_host_without_the_share_is_missing_all_the_same(
    address: str, store: InventoryStore
) -> None:
    signs = StorageSigns(since=NOON, agent_ids=("agent-of-one", "agent-of-two"))
    adopted = Storage(id="0f1e2d3c", source=StorageIdSource.MARKER, signs=signs)
    *having, three = tellers(store, "one", "two", "three")
    for each in having:
        each.whole("vm", [row("v")], storage=adopted)
    three.whole("local", [], storage=Storage(id="host:agent-of-three:disk:/vm", source=StorageIdSource.DERIVED))
    asked = ("inventory", "query", "orphans", "-o", "json", "--store", address)
    assert [found["name"] for found in json.loads(poolfleet(*asked).stdout)["rows"]] == ["v"]
    store.not_heard("three", "unreachable", "no route")
    assert json.loads(poolfleet(*asked).stdout)["rows"] == []


def test_nothing_is_called_an_orphan_where_a_host_is_missing(kept: str) -> None:
    store = open_store(kept)
    store.not_heard("two", "unreachable", "no route")
    store.close()
    asked = ("inventory", "query", "orphans", "-o", "json", "--assume-exclusive", "--store", kept)
    done = poolfleet(*asked)
    answer = json.loads(done.stdout)
    assert [one["name"] for one in answer["rows"]] == ["alone"], "two has no pool there"
    assert (answer["complete"], answer["missing"]) == (False, ["two: unreachable: no route"])
    assert "not said of 1 volume of nfs:10.0.0.5/vm: two: unreachable: no route" in done.stderr
    assert poolfleet(*asked, "--require-complete").returncode == 1


def test_what_lies_beside_pools_is_told_where_nothing_is_missing(address: str, store: InventoryStore) -> None:
    one, two = tellers(store, "one", "two")
    one.whole("local", [row("alone")], storage=LOCAL)
    two.uses("db", disk("db", "", pool="", path="/opt/x"), disk("db", "", pool="", path="/opt/alone"))
    asked = ("inventory", "query", "unmanaged", "-o", "csv", "--store", address)
    done = poolfleet(*asked)
    titles = "HOST,PATH,KIND,DOMAINS,DOMAIN"
    assert done.stdout.splitlines() == [titles, "two,/opt/alone,file,1,db", "two,/opt/x,file,1,db"], done.stderr
    store.not_heard("one", "unreachable", "no route")
    done = poolfleet(*asked)
    assert done.stdout.splitlines() == [titles]
    assert "not said of 2 paths of two: one: unreachable: no route" in done.stderr


def test_a_storage_without_an_id_has_no_orphans(address: str, store: InventoryStore) -> None:
    one, two = tellers(store, "one", "two")
    one.whole("vg", [row("lv")], storage=None)
    one.tell_also("local", [row("alone")], storage=LOCAL)
    two.whole("vm", [])
    done = poolfleet("inventory", "query", "orphans", "-o", "json", "--assume-exclusive", "--store", address)
    assert [found["name"] for found in json.loads(done.stdout)["rows"]] == ["alone"]
    assert "it has no id" in done.stderr


def test_old_answers_call_nothing_an_orphan(kept: str) -> None:
    done = poolfleet("inventory", "query", "orphans", "--max-age", "0s", "-o", "name", "--store", kept)
    assert done.stdout == ""
    assert "was last heard of" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["query", "biggest"], 2, "there are largest, orphans"),
        (["query", "DELETE FROM volume"], 1, "it may only read"),
        (["query", "SELEC name"], 1, "syntax error"),
        (["sync", "--metrics", "127.0.0.1:0"], 2, "--follow"),
    ],
)
def test_what_cannot_be_asked_is_told(kept: str, words: list[str], code: int, says: str) -> None:
    done = poolfleet("inventory", *words, "--store", kept)
    assert done.returncode == code
    assert says in done.stderr


def test_an_empty_store_says_how_it_is_filled(tmp_path: Path) -> None:
    done = poolfleet("inventory", "query", "largest", HOME=str(tmp_path))
    assert done.returncode == 2
    assert "poolfleet inventory sync" in done.stderr
    made = tmp_path / ".local/share/poolfleet/inventory.db"
    assert made.stat().st_mode & 0o777 == 0o600
    assert made.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://fleet:hunter2@127.0.0.1:1/inventory",
        "postgresql://fleet:hunter2@127.0.0.1:1/inventory?connect_timeout=1&sslmode=nonsense",
        "postgresq://fleet:hunter2@db/inventory",
        "postgresql:/fleet:hunter2@db/inventory",
        "postgresql://fleet@127.0.0.1:1/inventory?password=hunter2",
    ],
)
@pytest.mark.parametrize("words", [("query", "largest", "-v"), ("sync", "-v")])
def test_a_password_is_never_shown(address: str, words: tuple[str, ...]) -> None:
    done = poolfleet("inventory", *words, POOLFLEET_STORE=address)
    assert done.returncode in (1, 2)
    assert "hunter2" not in done.stdout + done.stderr
    assert done.stderr


@pytest.mark.parametrize("part", PARTS)
def test_each_format_of_an_export_holds_the_same(store: InventoryStore, part: str) -> None:
    one, two = tellers(store, "one", "two")
    one.whole("vm", [row("a", capacity_bytes=None), row("b", backing_path="/vm/a")])
    two.whole("vm", [row("a", capacity_bytes=None), row("b", backing_path="/vm/a")])
    two.uses("web", disk("web", "b"))
    files = [io.BytesIO() for _ in range(3)]
    for write, file in zip((write_csv, write_json, write_parquet), files, strict=True):
        write(store, part, file)
    of_csv = list(csv.DictReader(io.StringIO(files[0].getvalue().decode())))
    of_json = json.loads(files[1].getvalue())
    of_parquet: list[dict[str, Any]] = pyarrow.parquet.read_table(io.BytesIO(files[2].getvalue())).to_pylist()
    assert of_json
    assert of_parquet == of_json
    assert of_csv == [{key: "" if cell is None else str(cell) for key, cell in each.items()} for each in of_json]


def test_an_export_of_volumes_counts_hosts_and_users(kept: str, tmp_path: Path) -> None:
    file = tmp_path / "volumes.json"
    assert poolfleet("inventory", "export", "--format", "json", "--to", str(file), "--store", kept).returncode == 0
    assert file.stat().st_mode & 0o777 == 0o600
    counts = {one["name"]: (one["hosts"], one["users"]) for one in json.loads(file.read_text())}
    assert counts == {"alone": (1, 0), "lonely": (2, 0), "used": (2, 1)}


def test_text_that_a_spreadsheet_would_run_is_quoted(store: InventoryStore) -> None:
    [one] = tellers(store, "one")
    one.whole("vm", [row('=HYPERLINK("x")'), row("two\nlines")])
    out = io.BytesIO()
    write_csv(store, "volumes", out)
    assert [each["name"] for each in csv.DictReader(io.StringIO(out.getvalue().decode()))] == [
        "'=HYPERLINK(\"x\")", "two\\nlines",
    ]  # fmt: skip
