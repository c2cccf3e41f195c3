"""Metrics in Prometheus's form, over HTTP where the configuration says so: calls, libvirt, operations."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import HTTPServer

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from poolfleet_agent.config.addresses import split_address
from poolfleet_agent.config.load import ConfigurationError

_BUCKETS_S = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauges:
    """What is read when metrics are asked for, on the thread of the HTTP server: each must only look."""

    libvirt_connected: Callable[[], bool]
    libvirt_calls_in_flight: Callable[[], int]
    libvirt_calls_hung: Callable[[], int]
    operations_by_state: Callable[[], Mapping[str, int]]
    mounts_by_health: Callable[[], Mapping[str, int]] = dict
    mount_transitions: Callable[[], Mapping[str, int]] = dict
    health_by_mount: Callable[[], Mapping[tuple[str, str], str]] = dict
    """By target and source."""
    rescues: Callable[[], int] = int
    supervisor_starts: Callable[[], Mapping[str, int]] = dict
    pools_by_state: Callable[[], Mapping[tuple[str, str], int]] = dict
    """What pools are meant to be, and what they are: INACTIVE, or the state of health of a started one."""


class Metrics:
    """The counters of one agent."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._registry = CollectorRegistry()
        self._calls = Counter("poolfleet_calls", "Calls that ended.", ["method", "code"], registry=self._registry)
        self._seconds = Histogram(
            "poolfleet_call_seconds", "Duration of calls.", ["method"], buckets=_BUCKETS_S, registry=self._registry
        )
        # Finding a counter by its labels takes longer than counting.
        self._of_call: dict[tuple[str, str], tuple[Counter, Histogram]] = {}
        self._http: HTTPServer | None = None

    def called(self, method: str, code: str, seconds: float) -> None:
        """Count a call that has ended."""
        key = (method, code)
        if key not in self._of_call:
            self._of_call[key] = (self._calls.labels(method, code), self._seconds.labels(method))
        calls, durations = self._of_call[key]
        calls.inc()
        durations.observe(seconds)

    def observe(self, gauges: Gauges) -> None:
        """Have the gauges read at each scrape."""
        self._registry.register(_GaugeCollector(gauges))

    def serve(self, address: str) -> None:
        """Answer on `host:port`, on a thread of its own; raises ConfigurationError."""
        host, port = split_address(address)
        try:
            self._http, _ = start_http_server(port, host, self._registry)
        except OSError as error:
            raise ConfigurationError([f"metrics.listen: {address}: {error.strerror}"]) from error

    @property
    def port(self) -> int | None:
        """Where it answers; None while it does not."""
        return self._http.server_port if self._http else None

    def close(self) -> None:
        """Stop answering."""
        if self._http:
            self._http.shutdown()
            self._http.server_close()


class _GaugeCollector(Collector):
    def __init__(self, gauges: Gauges) -> None:
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        gauges = self._gauges
        connected = float(gauges.libvirt_connected())
        yield GaugeMetricFamily("poolfleet_libvirt_connected", "1 while the storage connection stands.", connected)
        calls = GaugeMetricFamily("poolfleet_libvirt_calls", "Calls to libvirt under way.", labels=["state"])
        calls.add_metric(["in_flight"], gauges.libvirt_calls_in_flight())
        calls.add_metric(["hung"], gauges.libvirt_calls_hung())
        yield calls
        operations = GaugeMetricFamily("poolfleet_operations", "Operations that are remembered.", labels=["state"])
        for state, count in gauges.operations_by_state().items():
            operations.add_metric([state], count)
        yield operations
        mounts = GaugeMetricFamily("poolfleet_network_mounts", "Network mounts by their health.", labels=["health"])
        for health, count in gauges.mounts_by_health().items():
            mounts.add_metric([health], count)
        yield mounts
        each = GaugeMetricFamily(
            "poolfleet_network_mount_health",
            "1 with the health that this network mount has, pool or not.",
            labels=["target", "source", "health"],
        )
        for (target, source), health in gauges.health_by_mount().items():
            each.add_metric([target, source, health], 1)
        yield each
        changes = CounterMetricFamily(
            "poolfleet_network_mount_changes", "Times that a network mount's health became this.", labels=["health"]
        )
        for health, count in gauges.mount_transitions().items():
            changes.add_metric([health], count)
        yield changes
        yield CounterMetricFamily(
            "poolfleet_libvirt_rescues", "Mounts of libvirt's own that were ended to free it.", gauges.rescues()
        )
        starts = CounterMetricFamily("poolfleet_supervisor_starts", "Starts by the supervisor.", labels=["result"])
        for result, count in gauges.supervisor_starts().items():
            starts.add_metric([result], count)
        yield starts
        pools = GaugeMetricFamily(
            "poolfleet_pools", "Pools by what they are meant to be and what they are.", labels=["desired", "actual"]
        )
        for (desired, actual), count in gauges.pools_by_state().items():
            pools.add_metric([desired, actual], count)
        yield pools
