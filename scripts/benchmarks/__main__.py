"""The program behind scripts/bench: chooses the benchmark, runs it, prints its report."""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType

from scripts.benchmarks import rpc
from scripts.benchmarks.report import report
from scripts.embedded.process import NotReadyError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def arguments() -> argparse.Namespace:
    """What the command line says; ends the program where that makes no sense."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Print one JSON object with what was measured.")
    parser.add_argument("name", choices=["rpc"], metavar="NAME", help="rpc: single calls, and the agent's memory")
    parser.add_argument("--calls", type=int, default=2000, metavar="N", help="calls of each kind (default 2000)")
    parser.add_argument(
        "--volumes", type=int, default=10_000, metavar="N", help="volumes for the memory (default 10000)"
    )
    chosen = parser.parse_args()
    if chosen.calls < 1 or chosen.volumes < 1:
        parser.error("--calls and --volumes are at least 1")
    return chosen


def leave(number: int, _frame: FrameType | None) -> None:
    """End by the way that cleans up."""
    raise SystemExit(128 + number)


def main() -> int:
    """Run one benchmark; the exit code."""
    chosen = arguments()
    for number in SIGNALS:
        signal.signal(number, leave)
    try:
        # Sockets need a short path, which TMPDIR may not be.
        with tempfile.TemporaryDirectory(prefix="pf-", dir="/tmp") as folder:
            root = Path(folder)
            # What libvirt runs as another user must reach what lies below.
            root.chmod(0o755)
            results = rpc.run(root, calls=chosen.calls, volumes=chosen.volumes)
    except (OSError, NotReadyError, subprocess.SubprocessError) as error:
        print(f"scripts/bench: {error}", file=sys.stderr)
        return 1
    print(json.dumps(report(chosen.name, results), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
