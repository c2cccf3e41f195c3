"""The metrics of a sync that goes on say what was stored and who is followed."""

from __future__ import annotations

import urllib.request

import pytest

from poolfleet import Unavailable
from poolfleet.inventory.store.staged import Staged, StagedPool
from poolfleet.inventory.sync import Unobserved
from poolfleet.inventory.sync_metrics import SyncMetrics
from tests.integration.store.telling import row

LOST = Unavailable("no route", reason="UNREACHABLE", host="one")


def scraped(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = [line.split() for line in answer.read().decode().splitlines() if not line.startswith("#")]
    return {name.removeprefix("poolfleet_inventory_"): float(value) for name, value in lines}


def test_what_is_stored_is_counted() -> None:
    metrics = SyncMetrics(Unobserved())
    port = metrics.serve("127.0.0.1:0")
    metrics.committed("one", Staged(from_nothing=True, pools={"p": StagedPool(told=[([row("a")], ())])}), 0.01)
    metrics.committed("one", Staged(), 0.01)
    metrics.committed("two", Staged(), 0.01)
    found = scraped(port)
    assert (found["commits_total"], found["volumes_total"], found["resyncs_total"]) == (3, 1, 1)
    assert (found["hosts_heard"], found["commit_seconds_count"]) == (2, 3)
    assert found["last_commit_timestamp_seconds"] > 0


def test_who_is_lost_is_told() -> None:
    metrics = SyncMetrics(Unobserved())
    port = metrics.serve("127.0.0.1:0")
    for host in ("one", "two", "three"):
        metrics.committed(host, Staged(), 0.01)
    metrics.interrupted("one", LOST)
    metrics.given_up("two", LOST)
    found = scraped(port)
    assert found["hosts_heard"] == 1
    assert found["hosts_given_up"] == 1
    assert found['interruptions_total{reason="UNREACHABLE"}'] == 1


@pytest.mark.parametrize("address", ["9464", "host:port", ""])
def test_an_address_has_a_port(address: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        SyncMetrics(Unobserved()).serve(address)
