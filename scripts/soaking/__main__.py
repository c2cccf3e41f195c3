"""The program behind scripts/soak: runs one soak on a host of its own, and prints its report."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

from poolfleet import PoolfleetError
from scripts.embedded.process import NotReadyError
from scripts.soaking.run import place_in, soak

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FINDINGS = ("lost", "doubled", "leaked", "unforeseen")


def arguments() -> argparse.Namespace:
    """What the command line says; ends the program where that makes no sense."""
    parser = argparse.ArgumentParser(
        prog="scripts/soak",
        description="Print one JSON object with what was lost, doubled and leaked while everything was killed that can"
        " be. Exit code 1: something was.",
    )
    parser.add_argument("--seconds", type=_positive, default=120, metavar="N", help="how long (default 120)")
    parser.add_argument("--seed", type=int, default=None, metavar="N", help="of all that is random (default: the time)")
    return parser.parse_args()


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def leave(number: int, _frame: FrameType | None) -> None:
    """End by the way that cleans up."""
    raise SystemExit(128 + number)


def main() -> int:
    """Run one soak; the exit code."""
    chosen = arguments()
    seed = int(time.time()) if chosen.seed is None else chosen.seed
    for number in SIGNALS:
        signal.signal(number, leave)
    try:
        # Sockets need a short path, which TMPDIR may not be.
        with tempfile.TemporaryDirectory(prefix="pf-", dir="/tmp") as folder:
            root = Path(folder)
            # What libvirt runs as another user must reach what lies below.
            root.chmod(0o755)
            with place_in(root, with_share=os.geteuid() == 0) as place:
                try:
                    printed = asyncio.run(soak(place, seconds=chosen.seconds, seed=seed))
                except BaseException:
                    print(place.host.agent.log.read_text()[-20000:], file=sys.stderr)
                    raise
    except (OSError, NotReadyError, PoolfleetError, subprocess.SubprocessError) as error:
        print(f"scripts/soak: {error}", file=sys.stderr)
        return 1
    print(json.dumps(printed, indent=2))
    return int(any(printed[name] for name in FINDINGS))


if __name__ == "__main__":
    sys.exit(main())
