"""A fleet of real hosts on this machine, put through poolfleet's main job; `scripts/demo` sets up what this needs."""

from __future__ import annotations

import argparse
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from poolfleet import PoolfleetError
from scripts.embedded.fleet import EmbeddedFleet
from scripts.embedded.process import NotReadyError
from scripts.embedded.tour import POOLFLEET, Tour, TourError, title

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def running(embedded: EmbeddedFleet, *, keep: bool) -> Iterator[None]:
    """Start the fleet for the block and remove it after; with `keep`, only where something failed."""
    kept = False
    try:
        embedded.start()
        yield
        kept = keep
    finally:
        if not kept:
            # A second Ctrl-C would leave half of it behind.
            for number in SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            embedded.remove()


def demonstrate(root: Path, hosts: int, *, keep: bool) -> None:
    """Start a fleet below `root`, take the tour, and remove or keep the fleet."""
    embedded = EmbeddedFleet(root, [f"host{number}" for number in range(1, hosts + 1)])
    title(f"{hosts} hosts on this machine: each a real libvirtd of its own, with a poolfleet-agent beside it")
    with running(embedded, keep=keep):
        for host in embedded.hosts:
            print(f"{host.name:8}{host.libvirtd.uri}")
        Tour(embedded).run()
    if keep:
        where = shlex.quote(str(root))
        print("\nThe hosts go on running. Try next:")
        print(f"  {shlex.quote(str(POOLFLEET))} --fleet {where}/fleet.toml pool show shared")
        print(f"and in the end:\n  scripts/demo --stop --dir {where}")
    else:
        print("\nAll hosts are stopped, and nothing is left. With --keep --dir DIR they go on running.")


def empty_folder(chosen: Path | None) -> Path:
    """The folder to work in, made where it is missing; raises FileExistsError where there is something in it."""
    if chosen is None:
        # Sockets need a short path, which TMPDIR may not be.
        root = Path(tempfile.mkdtemp(prefix="pf-", dir="/tmp"))
    else:
        root = chosen.resolve()
        root.mkdir(parents=True, exist_ok=True)
        if any(root.iterdir()):
            raise FileExistsError(f"{root} is not empty: choose another --dir, or end what runs there with --stop")
    # What libvirt runs as another user must reach what lies below.
    root.chmod(0o755)
    return root


def arguments() -> argparse.Namespace:
    """What the command line says; ends the program where that makes no sense."""
    parser = argparse.ArgumentParser(prog="scripts/demo", description="Show poolfleet at work on hosts of its own.")
    parser.add_argument("--hosts", type=int, default=3, metavar="N", help="how many hosts (default 3)")
    parser.add_argument("--dir", type=Path, metavar="DIR", help="where all of it lies (default: a temporary folder)")
    parser.add_argument("--keep", action="store_true", help="leave the hosts running; DIR/fleet.toml names them")
    parser.add_argument("--stop", action="store_true", help="end the hosts that were kept in DIR")
    chosen = parser.parse_args()
    if (chosen.keep or chosen.stop) and chosen.dir is None:
        parser.error("--keep and --stop need --dir DIR")
    if chosen.hosts < 1:
        parser.error("--hosts is at least 1")
    return chosen


def leave(number: int, _frame: FrameType | None) -> None:
    """End by the way that cleans up."""
    raise SystemExit(128 + number)


def main() -> int:
    """Run the demonstration, or end one that was kept; the exit code."""
    chosen = arguments()
    for number in SIGNALS:
        signal.signal(number, leave)
    try:
        if chosen.stop:
            EmbeddedFleet.found_in(chosen.dir.resolve()).remove()
        else:
            demonstrate(empty_folder(chosen.dir), chosen.hosts, keep=chosen.keep)
    except (OSError, ValueError, NotReadyError, TourError, PoolfleetError, subprocess.SubprocessError) as error:
        print(f"scripts/demo: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
