"""All cases of the benchmark: for each size and way of connecting one simulated fleet, for each store a few syncs.

`first_sync` fills an empty store, `unchanged_sync` follows at once, `changed_sync` when a volume in a hundred changed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from scripts.benchmarks.report import Result, say
from scripts.embedded.postgres_server import PostgresServer, postgres_server
from scripts.embedded.process import NotReadyError
from scripts.simulated_fleet.fleet import SimulatedFleet
from scripts.simulated_fleet.process import ROOT
from scripts.simulated_fleet.shape import VOLUMES_OF_A_GUEST, Shape

SQLITE, POSTGRESQL = "sqlite", "postgresql"
STORES = (SQLITE, POSTGRESQL)
SHARED = 0.3
CHANGED = 0.01
SYNC_LIMIT_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """What is measured: fleets of so many `hosts`, each way `rounds` times."""

    hosts: Sequence[int]
    volumes: int
    rounds: int
    stores: Sequence[str] = STORES
    tls: Sequence[bool] = (False, True)


@dataclass(slots=True)
class Figures:
    """What syncs of one fleet into one kind of store took, by case, and the most memory that each first one had."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    peaks_mb: list[float] = field(default_factory=list)

    def results(self, *, hosts: int, store: str, tls: bool) -> Iterator[Result]:
        """All of it summed up."""
        of_all = [
            *(Result.of(case, "poolfleet", "time", "s", values) for case, values in self.seconds.items()),
            Result.of("client_memory", "poolfleet", "peak_resident", "MB", self.peaks_mb),
        ]
        return (replace(result, hosts=hosts, store=store, tls=tls) for result in of_all)


def run(root: Path, effort: Effort) -> list[Result]:
    """Every case, the smallest fleet first; raises NotReadyError where a sync is not whole."""
    results: list[Result] = []
    with ExitStack() as ends:
        server = None
        if POSTGRESQL in effort.stores:
            server = ends.enter_context(postgres_server(root / "postgresql", durable=True))
        for hosts in sorted(effort.hosts):
            shape = Shape(
                hosts=hosts, volumes=effort.volumes, shared=SHARED, guests=effort.volumes // VOLUMES_OF_A_GUEST
            )
            for tls in effort.tls:
                say(f"fleet: {hosts} hosts of {effort.volumes} volumes, {'mutual TLS' if tls else 'without TLS'}")
                with SimulatedFleet(root / "fleet", shape, transport="tls" if tls else "tcp") as fleet:
                    for store in effort.stores:
                        figures = Figures()
                        for _ in range(effort.rounds):
                            with _new_store(store, root, server) as address:
                                _round(fleet, address, figures)
                        results += figures.results(hosts=hosts, store=store, tls=tls)
    return results


def _round(fleet: SimulatedFleet, address: str, figures: Figures) -> None:
    first = _sync(fleet, address, "first_sync", figures)
    figures.peaks_mb.append(first["peak_mb"])
    unchanged = _sync(fleet, address, "unchanged_sync", figures)
    if not fleet.steps:
        # A sync that is not whole measures nothing. How much there is later is not known as well.
        shape = fleet.shape
        _check("told at first", first["told"], shape.hosts * shape.volumes)
        _check("stored", first["stored"], shape.different_volumes)
        _check("told where nothing had changed", unchanged["told"], 0)
    fleet.change(CHANGED)
    _sync(fleet, address, "changed_sync", figures)


def _sync(fleet: SimulatedFleet, address: str, case: str, figures: Figures) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.benchmarks.fleet.sync", str(fleet.file), address],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=SYNC_LIMIT_S,
    )
    told: dict[str, Any] = json.loads(done.stdout)
    if told["failed"]:
        raise NotReadyError(f"{len(told['failed'])} hosts were not stored; {told['failed'][0]}")
    say(f"{case}: {told['seconds']:.2f} s, {told['told']} told, {told['stored']} stored, {told['peak_mb']:.0f} MB")
    figures.seconds.setdefault(case, []).append(told["seconds"])
    return told


def _check(what: str, found: int, wanted: int) -> None:
    if found != wanted:
        raise NotReadyError(f"{found} volumes were {what}, not {wanted}")


@contextmanager
def _new_store(kind: str, root: Path, server: PostgresServer | None) -> Iterator[str]:
    """The address of an empty store; a file is gone with the block."""
    name = f"inventory_{uuid.uuid4().hex}"
    if server is not None and kind == POSTGRESQL:
        yield server.create(name)
        return
    yield f"sqlite:///{root / name}"
    for path in root.glob(f"{name}*"):
        path.unlink()
