"""scripts/bench nfs measures network pools on this machine, with stand-ins for a server that fails in every way."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.benched import WITH_ALL_ELSE_S, report_of, tried

pytestmark = pytest.mark.timeout(WITH_ALL_ELSE_S)

CLIENTS = 2
CUT_OFF_S = 10
"""Of virsh, also where it only prepares what is measured: longer than that takes on a busy machine."""

FAILURES = {
    "refused": "CONNECTION_REFUSED",
    "silent": "TIMED_OUT",
    "missing_export": "ACCESS_DENIED",
    "unresolvable": "NAME_TEMPORARY",
}
ROWS = {
    **{(case, "poolfleet", "first_failure"): "s" for case in FAILURES},
    **{("healthy_start", system, "start"): "s" for system in ("poolfleet", "virsh")},
    **{
        ("other_pools_while_silent", system, f"latency_{state}"): "ms"
        for system in ("poolfleet", "virsh")
        for state in ("healthy", "silent")
    },
    **{("dead_pool_answer", "poolfleet", f"latency_{what}"): "ms" for what in ("reads", "changes")},
    ("recovery", "poolfleet", "until_healthy"): "s",
    ("recovery", "virsh", "until_refreshed"): "s",
}

if os.geteuid() == 0:

    @pytest.fixture(scope="module")
    def report() -> dict[str, Any]:
        few = ["--starts=1", "--silences=1", f"--clients={CLIENTS}", "--seconds=1", f"--cut-off={CUT_OFF_S}"]
        return report_of("nfs", "--local", *few)

    def test_each_case_has_its_rows_and_virsh_only_where_a_stand_in_is_as_good_as_nfs(report: dict[str, Any]) -> None:
        assert report["name"] == "nfs"
        assert report["machine"]["place"] == "stand-ins for NFS on this machine"
        assert {(row["case"], row["system"], row["metric"]): row["unit"] for row in report["results"]} == ROWS
        assert all(0 < row["median"] <= row["p99"] for row in report["results"])

    def test_a_start_that_fails_says_with_which_kind(report: dict[str, Any]) -> None:
        assert {row["case"]: row["failure"] for row in report["results"] if "failure" in row} == FAILURES

    def test_every_client_called_while_all_was_well_and_while_the_share_was_silent(report: dict[str, Any]) -> None:
        for row in report["results"]:
            if row["metric"] in {"latency_healthy", "latency_silent", "latency_reads", "latency_changes"}:
                assert row["n"] >= CLIENTS

    def test_what_was_cut_off_counts_with_its_limit(report: dict[str, Any]) -> None:
        for row in report["results"]:
            if row.get("timed_out"):
                assert row["system"] == "virsh"
                assert row["p99"] >= CUT_OFF_S * (1000 if row["unit"] == "ms" else 1)

else:

    def test_its_hosts_need_root() -> None:
        done = tried("nfs", "--local")
        assert (done.returncode, done.stdout) == (1, "")
        assert "needs root" in done.stderr
