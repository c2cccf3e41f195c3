"""scripts/bench prints one JSON object, in the form that every benchmark shares."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.benched import WITH_ALL_ELSE_S, report_of, tried

pytestmark = pytest.mark.timeout(WITH_ALL_ELSE_S)

CALLS = 11
ROUNDS = 2
LIST_CASES = ("cold", "warm", "warm_every_field", "one_percent_changed")
LATENCY_CASES = ("get_pool", "get_pool_fresh", "get_volume")


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    return report_of("rpc", f"--calls={CALLS}", "--volumes=30")


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
    report = report_of("list", f"--rounds={ROUNDS}", "--volumes=30")
    assert report["name"] == "list"
    systems = ("poolfleet", "libvirt-python", "virsh")
    assert {(row["case"], row["system"]): (row["unit"], row["n"]) for row in report["results"]} == {
        **{(case, one): ("s", ROUNDS) for case in LIST_CASES for one in systems},
        ("agent_memory", "poolfleet"): ("MB", 3),
    }
    assert all(0 < row["median"] <= row["p99"] for row in report["results"])


def test_watchers_of_a_host_are_told_of_its_changes() -> None:
    report = report_of("watch", "--changes=3", "--watchers=2")
    assert {(row["case"], row["system"], row["metric"]): row["n"] for row in report["results"]} == {
        (case, f"{crowd} watching", metric): 3
        for case in ("create_volume", "define_pool_by_libvirt")
        for crowd in (1, 2)
        for metric in ("to_answer", "to_last_watcher")
    }


def test_an_unknown_benchmark_is_wrong_usage() -> None:
    done = tried("nonsense")
    assert (done.returncode, done.stdout) == (2, "")
