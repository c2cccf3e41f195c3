"""What a scrape over HTTP sees."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator

import pytest

from poolfleet_agent.config import ConfigurationError
from poolfleet_agent.server.metrics import Gauges, Metrics


@pytest.fixture
def metrics() -> Iterator[Metrics]:
    metrics = Metrics()
    yield metrics
    metrics.close()


def scrape(metrics: Metrics) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics.port}/metrics", timeout=20) as answer:
        return str(answer.read().decode())


def test_calls_are_counted_by_method_and_code(metrics: Metrics) -> None:
    metrics.called("poolfleet.v1.PoolService/GetPool", "OK", 0.001)
    metrics.called("poolfleet.v1.PoolService/GetPool", "OK", 0.2)
    metrics.called("poolfleet.v1.PoolService/GetPool", "NOT_FOUND", 0.001)
    metrics.serve("127.0.0.1:0")
    text = scrape(metrics)
    assert 'poolfleet_calls_total{code="OK",method="poolfleet.v1.PoolService/GetPool"} 2.0' in text
    assert 'poolfleet_calls_total{code="NOT_FOUND",method="poolfleet.v1.PoolService/GetPool"} 1.0' in text
    assert 'poolfleet_call_seconds_count{method="poolfleet.v1.PoolService/GetPool"} 3.0' in text


def test_gauges_are_read_at_each_scrape(metrics: Metrics) -> None:
    hung = 0
    metrics.observe(
        Gauges(
            libvirt_connected=lambda: True,
            libvirt_calls_in_flight=lambda: 3,
            libvirt_calls_hung=lambda: hung,
            operations_by_state=lambda: {"RUNNING": 2},
            mounts_by_health=lambda: {"UNRESPONSIVE": 1},
            mount_transitions=lambda: {"UNRESPONSIVE": 5},
            supervisor_starts=lambda: {"ok": 7, "failed": 2},
            pools_by_state=lambda: {("STARTED", "INACTIVE"): 3},
        )
    )
    metrics.serve("127.0.0.1:0")
    assert 'poolfleet_libvirt_calls{state="hung"} 0.0' in scrape(metrics)
    hung = 4
    text = scrape(metrics)
    assert 'poolfleet_libvirt_calls{state="hung"} 4.0' in text
    assert 'poolfleet_libvirt_calls{state="in_flight"} 3.0' in text
    assert 'poolfleet_operations{state="RUNNING"} 2.0' in text
    assert "poolfleet_libvirt_connected 1.0" in text
    assert 'poolfleet_network_mounts{health="UNRESPONSIVE"} 1.0' in text
    assert 'poolfleet_network_mount_changes_total{health="UNRESPONSIVE"} 5.0' in text
    assert 'poolfleet_supervisor_starts_total{result="failed"} 2.0' in text
    assert 'poolfleet_pools{actual="INACTIVE",desired="STARTED"} 3.0' in text


def test_nothing_listens_unless_asked(metrics: Metrics) -> None:
    assert metrics.port is None


def test_an_address_that_cannot_be_had_is_said(metrics: Metrics) -> None:
    metrics.serve("127.0.0.1:0")
    with pytest.raises(ConfigurationError, match="Address already in use"):
        Metrics().serve(f"127.0.0.1:{metrics.port}")
