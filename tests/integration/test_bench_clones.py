"""scripts/bench clones tells what other calls take while a host makes many clones, and while it has nothing to do."""

from __future__ import annotations

from typing import Any

import pytest

from tests.benched import WITH_ALL_ELSE_S, report_of

pytestmark = pytest.mark.timeout(WITH_ALL_ELSE_S)

CLONES = 3
ROUNDS = 2
CALLED = ("get_pool", "get_volume", "get_pool_fresh", "create_delete")


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    few = [f"--clones={CLONES}", f"--rounds={ROUNDS}", "--seconds=1", "--cancels=0"]
    return report_of("clones", *few)


def test_each_kind_of_call_was_made_without_clones_and_beside_them(report: dict[str, Any]) -> None:
    assert report["name"] == "clones"
    assert {(row["case"], row["metric"]): row["unit"] for row in report["results"]} == {
        **{(case, f"latency_{state}"): "ms" for case in CALLED for state in ("quiet", "loaded")},
        ("clone", "until_there"): "s",
    }
    assert all(0 < row["median"] <= row["p99"] for row in report["results"])


def test_all_clones_of_all_rounds_count(report: dict[str, Any]) -> None:
    (clone,) = (row for row in report["results"] if row["case"] == "clone")
    assert clone["n"] == CLONES * ROUNDS
