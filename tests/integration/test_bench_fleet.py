"""scripts/bench fleet brings simulated fleets into both kinds of store, and tells what that took."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
CASES = {"first_sync": "s", "unchanged_sync": "s", "changed_sync": "s", "client_memory": "MB"}


def test_each_size_is_brought_into_each_store_the_smallest_first() -> None:
    options = ["--hosts=4,2", "--volumes=40", "--rounds=2", "--tls"]
    done = subprocess.run([ROOT / "scripts/bench", "fleet", *options], capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["name"] == "fleet"
    assert [(row["hosts"], row["store"], row["case"], row["unit"]) for row in report["results"]] == [
        (hosts, store, case, unit)
        for hosts in (2, 4)
        for store in ("sqlite", "postgresql")
        for case, unit in CASES.items()
    ]
    for row in report["results"]:
        assert (row["system"], row["tls"], row["n"]) == ("poolfleet", True, 2)
        assert 0 < row["median"] <= row["p99"]


def test_without_tls_says_so() -> None:
    options = ["--hosts=1", "--volumes=20", "--store=sqlite", "--no-tls"]
    done = subprocess.run([ROOT / "scripts/bench", "fleet", *options], capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    assert {row["tls"] for row in json.loads(done.stdout)["results"]} == {False}
