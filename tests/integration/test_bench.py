"""scripts/bench prints one JSON object, in the form that every benchmark shares."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CALLS = 11
ROUNDS = 2
LIST_CASES = ("cold", "warm", "warm_every_field", "one_percent_changed")
LATENCY_CASES = ("get_pool", "get_pool_fresh", "get_volume")


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    done = subprocess.run(
        [ROOT / "scripts/bench", "rpc", f"--calls={CALLS}", "--volumes=30"], capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stderr
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


def test_it_says_what_was_measured_where_and_with_what(report: dict[str, Any]) -> None:
    assert report.keys() == {"name", "machine", "versions", "results"}
    assert report["name"] == "rpc"
    assert report["machine"]["cores"] > 0
    assert {"poolfleet", "grpcio", "libvirt"} <= report["versions"].keys()


def test_each_case_has_its_peers_and_all_were_called_as_often_as_asked(report: dict[str, Any]) -> None:
    counted = {(row["case"], row["system"]): row["n"] for row in report["results"]}
    assert counted == {
        **{(case, system): CALLS for case in LATENCY_CASES for system in ("poolfleet", "libvirt-python")},
        # In every tenth round: the first and the eleventh.
        **{(case, "virsh"): 2 for case in LATENCY_CASES},
        ("echo", "grpc.aio"): CALLS,
        ("agent_memory", "poolfleet"): 3,
    }


def test_figures_have_units_and_make_sense(report: dict[str, Any]) -> None:
    for row in report["results"]:
        assert row.keys() == {"case", "system", "metric", "unit", "n", "median", "p99"}
        assert 0 < row["median"] <= row["p99"]
    units = Counter((row["metric"], row["unit"]) for row in report["results"])
    assert units == {("latency", "ms"): 10, ("pss_with_children", "MB"): 1}


def test_the_memory_is_that_of_the_agent_and_its_children(report: dict[str, Any]) -> None:
    (memory,) = (row for row in report["results"] if row["case"] == "agent_memory")
    # A Python process with gRPC has tens of megabytes; neither pages nor kilobytes would fit.
    assert 20 < memory["median"] < 1000


def test_a_pool_is_listed_in_every_way_beside_the_peers() -> None:
    command = [str(ROOT / "scripts/bench"), "list", f"--rounds={ROUNDS}", "--volumes=30"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["name"] == "list"
    systems = ("poolfleet", "libvirt-python", "virsh")
    assert {(row["case"], row["system"]): (row["unit"], row["n"]) for row in report["results"]} == {
        **{(case, one): ("s", ROUNDS) for case in LIST_CASES for one in systems},
        ("agent_memory", "poolfleet"): ("MB", 3),
    }
    assert all(0 < row["median"] <= row["p99"] for row in report["results"])


def test_watchers_of_a_host_are_told_of_its_changes() -> None:
    command = [str(ROOT / "scripts/bench"), "watch", "--changes=3", "--watchers=2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    assert {(row["case"], row["system"], row["metric"]): row["n"] for row in json.loads(done.stdout)["results"]} == {
        (case, f"{crowd} watching", metric): 3
        for case in ("create_volume", "define_pool_by_libvirt")
        for crowd in (1, 2)
        for metric in ("to_answer", "to_last_watcher")
    }


def test_an_unknown_benchmark_is_wrong_usage() -> None:
    done = subprocess.run([ROOT / "scripts/bench", "nonsense"], capture_output=True, text=True, timeout=110)
    assert (done.returncode, done.stdout) == (2, "")
