"""scripts/bench fleet brings simulated fleets into both kinds of store, and tells what that took."""

from __future__ import annotations

import pytest

from tests.benched import WITH_ALL_ELSE_S, report_of

pytestmark = pytest.mark.timeout(WITH_ALL_ELSE_S)

CASES = {"first_sync": "s", "unchanged_sync": "s", "changed_sync": "s", "client_memory": "MB"}


def test_each_size_is_brought_into_each_store_the_smallest_first() -> None:
    options = ["--hosts=4,2", "--volumes=40", "--rounds=2", "--tls"]
    report = report_of("fleet", *options)
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
    assert {row["tls"] for row in report_of("fleet", *options)["results"]} == {False}
