"""Metrics of a sync that goes on, in Prometheus's form."""

from __future__ import annotations

import time
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from poolfleet.inventory.store.port import Unstorable
from poolfleet.inventory.store.staged import Staged
from poolfleet.inventory.sync import Observer
from poolfleet.types.errors import PoolfleetError

_BUCKETS_S = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0)


class SyncMetrics:
    """Counts what another observer hears too. Implements Observer."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._registry = CollectorRegistry()
        self._commits = Counter(
            "poolfleet_inventory_commits", "Consistent states of hosts that were stored.", registry=self._registry
        )
        self._seconds = Histogram(
            "poolfleet_inventory_commit_seconds",
            "Time from a bookmark until it was stored.",
            buckets=_BUCKETS_S,
            registry=self._registry,
        )
        self._volumes = Counter(
            "poolfleet_inventory_volumes", "Volumes that were told, or told to be gone.", registry=self._registry
        )
        self._resyncs = Counter(
            "poolfleet_inventory_resyncs", "Whole states that were stored.", registry=self._registry
        )
        self._losses = Counter(
            "poolfleet_inventory_interruptions", "Times that a host was lost.", ["reason"], registry=self._registry
        )
        self._heard = Gauge("poolfleet_inventory_hosts_heard", "Hosts that are followed now.", registry=self._registry)
        self._given_up = Gauge(
            "poolfleet_inventory_hosts_given_up", "Hosts that are not followed any more.", registry=self._registry
        )
        self._last = Gauge(
            "poolfleet_inventory_last_commit_timestamp_seconds", "When a host was stored last.", registry=self._registry
        )
        self._followed: set[str] = set()

    def serve(self, address: str) -> int:
        """Answer on `host:port`, on a thread of its own. Returns the port. Raises ValueError, OSError."""
        host, colon, port = address.rpartition(":")
        if not colon or not port.isdecimal():
            raise ValueError("say HOST:PORT")
        server, _ = start_http_server(int(port), host.strip("[]") or "127.0.0.1", self._registry)
        return int(server.server_port)

    def forgot(self, hosts: Sequence[str]) -> None:
        """Count nothing: it happens once, at the beginning."""
        self._observer.forgot(hosts)

    def committed(self, host: str, staged: Staged, duration_s: float) -> None:
        """Count what was stored."""
        self._observer.committed(host, staged, duration_s)
        self._commits.inc()
        self._seconds.observe(duration_s)
        self._volumes.inc(staged.volumes)
        self._resyncs.inc(staged.resync or staged.from_nothing)
        self._last.set(time.time())
        self._now_followed(self._followed | {host})

    def interrupted(self, host: str, error: PoolfleetError) -> None:
        """Count a loss."""
        self._observer.interrupted(host, error)
        self._losses.labels(error.reason).inc()
        self._now_followed(self._followed - {host})

    def given_up(self, host: str, error: PoolfleetError | Unstorable) -> None:
        """Count a host that is left."""
        self._observer.given_up(host, error)
        self._given_up.inc()
        self._now_followed(self._followed - {host})

    def _now_followed(self, hosts: set[str]) -> None:
        self._followed = hosts
        self._heard.set(len(hosts))
