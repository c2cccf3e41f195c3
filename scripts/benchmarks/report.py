"""The form of a report: what was measured, on which machine, with which versions."""

from __future__ import annotations

import math
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

PACKAGES = ("poolfleet", "grpcio", "protobuf", "libvirt-python")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one system took for one case; `n` values were measured, and `median` and `p99` are in `unit`.

    `failure`: the kind of failure that was waited for. `timed_out`: some did not end, and count with their limit.
    `hosts`, `store` and `tls`: the fleet that was measured, and what it was stored in.
    """

    case: str
    system: str
    metric: str
    unit: str
    n: int
    median: float
    p99: float
    failure: str | None = None
    timed_out: bool = False
    hosts: int | None = None
    store: str | None = None
    tls: bool | None = None

    @classmethod
    def of(
        cls,
        case: str,
        system: str,
        metric: str,
        unit: str,
        values: Sequence[float],
        *,
        failure: str | None = None,
        timed_out: bool = False,
    ) -> Self:
        """Sum values up; there is at least one."""
        p99 = sorted(values)[math.ceil(0.99 * len(values)) - 1]
        median = statistics.median(values)
        return cls(
            case=case,
            system=system,
            metric=metric,
            unit=unit,
            n=len(values),
            median=round(median, 4),
            p99=round(p99, 4),
            failure=failure,
            timed_out=timed_out,
        )

    def row(self) -> dict[str, Any]:
        """The row of the report, without what does not apply."""
        row = {name: value for name, value in asdict(self).items() if value is not None}
        if not self.timed_out:
            del row["timed_out"]
        return row


def report(name: str, results: Sequence[Result], *, place: str | None = None) -> dict[str, Any]:
    """The JSON object that scripts/bench prints; `place`: what the hosts were, where a benchmark has the choice."""
    return {
        "name": name,
        "machine": machine() | ({} if place is None else {"place": place}),
        "versions": versions(),
        "results": [result.row() for result in results],
    }


def machine() -> dict[str, Any]:
    """The machine that this runs on."""
    return {
        "cpu": _field(Path("/proc/cpuinfo"), "model name", ":"),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": platform.release(),
        "system": _field(Path("/etc/os-release"), "PRETTY_NAME", "=").strip('"'),
    }


def _field(path: Path, name: str, separator: str) -> str:
    for line in path.read_text().splitlines():
        key, _, value = line.partition(separator)
        if key.strip() == name:
            return value.strip()
    return "unknown"


def versions() -> dict[str, str]:
    """What was measured, and with what."""
    libvirt = subprocess.run(["virsh", "--version"], check=True, capture_output=True, text=True, timeout=60)
    own = {name: version(name) for name in PACKAGES}
    return {"python": platform.python_version(), "libvirt": libvirt.stdout.strip(), **own}


def say(text: str) -> None:
    """Tell how far it has come, on standard error."""
    print(text, file=sys.stderr, flush=True)
