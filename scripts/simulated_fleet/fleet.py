"""A simulated fleet from start to end: its processes, and the fleet file that names its hosts."""

from __future__ import annotations

import json
import select
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from poolfleet.fleet.descriptors import make_room
from scripts.embedded.process import NotReadyError
from scripts.simulated_fleet.certificates import certificate_files, write_certificates
from scripts.simulated_fleet.order import Order, Transport
from scripts.simulated_fleet.process import ServingProcess
from scripts.simulated_fleet.shape import HOSTS_OF_A_CLUSTER, Shape

START_LIMIT_S = 600.0
CHANGE_LIMIT_S = 300.0


class SimulatedFleet:
    """Hosts of that shape below `folder`, a new one with a short path. A context, in which they answer.

    With `tls` clients are asked for the controller's certificate, which the fleet file names.
    """

    def __init__(self, folder: Path, shape: Shape, *, transport: Transport = "unix", processes: int = 2) -> None:
        self.shape = shape
        self.folder = folder
        self.file = folder / "fleet.toml"
        self._transport: Transport = transport
        self._count = min(processes, shape.hosts)
        self._processes: list[ServingProcess] = []
        self._steps = 0

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def steps(self) -> int:
        """How often it was changed."""
        return self._steps

    def change(self, share: float) -> int:
        """Change that part of the volumes of every storage now; how many were, those of a share in each process."""
        self._steps += 1
        told = json.dumps({"step": self._steps, "share": share})
        return sum(answer["changed"] for answer in self._ask([told] * self._count, CHANGE_LIMIT_S))

    def wait(self, seconds: float) -> None:
        """Let it serve for so long; raises NotReadyError where a process ended."""
        outputs = [process.output for process in self._processes]
        # They say nothing of themselves: what comes is their end.
        if select.select(outputs, [], [], seconds)[0]:
            raise NotReadyError("a process of the simulated fleet ended")

    def stop(self) -> None:
        """End all processes at once, wait for them, and remove what was written."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.end()
        self._processes = []
        sockets = (self.folder / f"{name}.sock" for name in self.shape.host_names)
        for path in (self.file, *certificate_files(self.folder), *sockets):
            path.unlink(missing_ok=True)

    def _start(self) -> None:
        # Inherited: each process has a connection for each of its hosts, and one for whoever calls.
        make_room(self.shape.hosts)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._transport == "tls":
            write_certificates(self.folder)
        bounds = [self.shape.hosts * number // self._count for number in range(self._count + 1)]
        orders = [
            Order(
                shape=self.shape, first=first, last=last, folder=str(self.folder), transport=self._transport
            ).to_line()
            for first, last in pairwise(bounds)
        ]
        for _ in orders:
            self._processes.append(ServingProcess())
        targets: dict[str, str] = {}
        for answer in self._ask(orders, START_LIMIT_S):
            targets |= answer["targets"]
        self._write_file(targets)

    def _ask(self, lines: Sequence[str], limit_s: float) -> list[dict[str, Any]]:
        """Tell each process its line; their answers."""
        for process, line in zip(self._processes, lines, strict=True):
            process.tell(line)
        deadline_s = time.monotonic() + limit_s
        return [process.answer(deadline_s) for process in self._processes]

    def _write_file(self, targets: dict[str, str]) -> None:
        # A string is written in TOML as in JSON.
        lines = []
        if self._transport == "tls":
            lines += ["[defaults]", 'tls = { ca = "ca.pem", cert = "controller.pem", key = "controller.key" }', ""]
        for number, name in enumerate(self.shape.host_names):
            cluster = json.dumps(f"cluster{number // HOSTS_OF_A_CLUSTER + 1:03}")
            lines += ["[[host]]", f"name = {json.dumps(name)}", f"target = {json.dumps(targets[name])}"]
            lines += [f"labels = {{ cluster = {cluster} }}", ""]
        self.file.write_text("\n".join(lines), encoding="utf-8")
