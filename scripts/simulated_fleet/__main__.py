"""The program behind scripts/simfleet: serves a simulated fleet until it is ended."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from scripts.benchmarks.memory import pss_bytes
from scripts.embedded.process import NotReadyError
from scripts.simulated_fleet.fleet import SimulatedFleet
from scripts.simulated_fleet.shape import VOLUMES_OF_A_GUEST, Shape

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
CHANGE_EVERY_S = 1.0


def arguments() -> argparse.Namespace:
    """What the command line says; ends the program where that makes no sense."""
    parser = argparse.ArgumentParser(
        prog="scripts/simfleet",
        description="Serve the reads of many agents, from generated data, until SIGTERM or Ctrl-C.",
    )
    parser.add_argument("--hosts", type=_count, default=10, metavar="N", help="hosts (default 10)")
    parser.add_argument("--volumes", type=_count, default=100, metavar="N", help="volumes of each host (default 100)")
    parser.add_argument(
        "--shared", type=_part, default=0.3, metavar="PART", help="part of them on shares of hosts (default 0.3)"
    )
    parser.add_argument(
        "--churn", type=_part, default=0.0, metavar="PART", help="part of them that changes each minute (default 0)"
    )
    parser.add_argument("--guests", type=_number, metavar="N", help="guests of each host (default: volumes / 20)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of all that is random (default 1)")
    parser.add_argument(
        "--processes", type=_count, default=os.cpu_count() or 1, metavar="N", help="default: one a core"
    )
    parser.add_argument("--dir", type=Path, metavar="DIR", help="for sockets and fleet file (default: a temporary one)")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--tcp", action="store_const", dest="transport", const="tcp", help="on loopback, not on sockets")
    how.add_argument("--tls", action="store_const", dest="transport", const="tls", help="the same, with mutual TLS")
    parser.set_defaults(transport="unix")
    return parser.parse_args()


def _number(text: str) -> int:
    if (number := int(text)) < 0:
        raise argparse.ArgumentTypeError("at least 0")
    return number


def _count(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _part(text: str) -> float:
    if not 0 <= (part := float(text)) <= 1:
        raise argparse.ArgumentTypeError("between 0 and 1")
    return part


def leave(number: int, _frame: FrameType | None) -> None:
    """End by the way that cleans up."""
    raise SystemExit(128 + number)


def serve(chosen: argparse.Namespace, folder: Path) -> None:
    """Serve and change, until a signal comes; raises NotReadyError where a process ends."""
    shape = Shape(
        hosts=chosen.hosts,
        volumes=chosen.volumes,
        shared=chosen.shared,
        guests=chosen.volumes // VOLUMES_OF_A_GUEST if chosen.guests is None else chosen.guests,
        seed=chosen.seed,
    )
    began_s = time.monotonic()
    with SimulatedFleet(folder, shape, transport=chosen.transport, processes=chosen.processes) as fleet:
        took_s, taken_mb = time.monotonic() - began_s, pss_bytes(os.getpid()) / 1e6
        print(
            f"{shape.hosts} hosts with {shape.hosts * shape.volumes} volumes, {shape.different_volumes} different ones;"
            f" {took_s:.1f} s, {taken_mb:.0f} MB\nPOOLFLEET_FLEET={fleet.file}",
            flush=True,
        )
        due_s = time.monotonic()
        while True:
            due_s += CHANGE_EVERY_S
            fleet.wait(max(due_s - time.monotonic(), 0))
            if chosen.churn:
                fleet.change(chosen.churn * CHANGE_EVERY_S / 60)


def main() -> int:
    """Serve one fleet; the exit code."""
    chosen = arguments()
    for number in SIGNALS:
        signal.signal(number, leave)
    try:
        with ExitStack() as ends:
            # Sockets need a short path, which TMPDIR may not be.
            folder = chosen.dir or ends.enter_context(tempfile.TemporaryDirectory(prefix="pf-", dir="/tmp"))
            serve(chosen, Path(folder).resolve())
    except (OSError, NotReadyError) as error:
        print(f"scripts/simfleet: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
