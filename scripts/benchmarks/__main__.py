"""The program behind scripts/bench: chooses the benchmark, runs it, prints its report."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType
from typing import Any

from poolfleet import PoolfleetError
from scripts.benchmarks import listing, rpc
from scripts.benchmarks.figures import CutOffError
from scripts.benchmarks.report import Result, report
from scripts.embedded.process import NotReadyError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Longer than any client of a silent server waits by itself: libvirt's took 188 s.
FULL_CUT_OFF_S = 900.0


def arguments() -> argparse.Namespace:
    """What the command line says; ends the program where that makes no sense."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Print one JSON object with what was measured.")
    names = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    rpc_parser = names.add_parser("rpc", help="single calls, and the agent's memory")
    _count(rpc_parser, "--calls", 2000, "calls of each kind")
    _count(rpc_parser, "--volumes", 10_000, "volumes for the memory")
    list_parser = names.add_parser("list", help="a pool of many volumes, and the agent's memory")
    _count(list_parser, "--rounds", 5, "listings of each kind")
    _count(list_parser, "--volumes", 10_000, "volumes of the pool")
    nfs_parser = names.add_parser("nfs", help="network pools, with a server that is well and one that is not")
    where = nfs_parser.add_mutually_exclusive_group()
    where.add_argument("--local", action="store_true", help="with stand-ins on this machine, as root")
    where.add_argument("--lab", type=Path, metavar="DIR", help="in the lab that is up there (default: one of its own)")
    _count(nfs_parser, "--starts", None, "starts of each kind (default 10, in a lab 3)")
    _count(nfs_parser, "--silences", None, "how often the share falls silent (default 3, in a lab 1)")
    _count(
        nfs_parser, "--seconds", None, "load on each system, with the share well and silent (default 20, in a lab 90)"
    )
    _count(nfs_parser, "--clients", 50, "clients at once")
    _count(nfs_parser, "--cut-off", 60, "seconds after which virsh is cut off")
    nfs_parser.add_argument("--full", action="store_true", help="let virsh come to its own end")
    clones_parser = names.add_parser(
        "clones", help="many clones at once beside other calls, and jobs that are cancelled"
    )
    _count(clones_parser, "--clones", 200, "clones at once")
    _count(clones_parser, "--clone-mib", 4, "MiB that each of them holds")
    _count(clones_parser, "--rounds", 2, "how often, each time after a while without")
    _count(clones_parser, "--seconds", 20, "how long that while is")
    _count(clones_parser, "--cancels", 20, "how often each kind of job is cancelled; 0: not at all", least=0)
    _count(clones_parser, "--cancelled-mib", 2048, "MiB that each of these is at work on")
    watch_parser = names.add_parser("watch", help="how soon those who watch a host are told of a change")
    _count(watch_parser, "--changes", 200, "changes of each kind")
    _count(watch_parser, "--watchers", 100, "watchers at once, after one alone")
    fleet_parser = names.add_parser("fleet", help="simulated fleets, brought into a store")
    fleet_parser.add_argument(
        "--hosts", type=_numbers, default=[10, 100, 1000], metavar="N,…", help="sizes (default 10,100,1000)"
    )
    _count(fleet_parser, "--volumes", 1000, "volumes of each host")
    _count(fleet_parser, "--rounds", 1, "empty stores that are filled, each way")
    fleet_parser.add_argument("--store", choices=("sqlite", "postgresql"), help="default: one after the other")
    fleet_parser.add_argument(
        "--tls", action=argparse.BooleanOptionalAction, help="default: without, then with mutual TLS"
    )
    return parser.parse_args()


def _numbers(text: str) -> list[int]:
    if min(counted := [int(one) for one in text.split(",")]) < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return counted


def _count(parser: argparse.ArgumentParser, name: str, default: int | None, what: str, *, least: int = 1) -> None:
    def number(text: str) -> int:
        if (counted := int(text)) < least:
            raise argparse.ArgumentTypeError(f"at least {least}")
        return counted

    text = what if default is None else f"{what} (default {default})"
    parser.add_argument(name, type=number, default=default, metavar="N", help=text)


def carry_out(chosen: argparse.Namespace, root: Path) -> dict[str, Any]:
    """Run the benchmark on hosts below `root`; its report."""
    if chosen.name == "rpc":
        return report("rpc", rpc.run(root, calls=chosen.calls, volumes=chosen.volumes))
    if chosen.name == "list":
        return report("list", listing.run(root, rounds=chosen.rounds, volumes=chosen.volumes))
    # Not before: the other benchmarks measure with as little loaded as can be.
    if chosen.name == "clones":
        from scripts.benchmarks.clones import cases

        clones_effort = cases.Effort(
            clones=chosen.clones,
            clone_bytes=chosen.clone_mib << 20,
            rounds=chosen.rounds,
            quiet_s=chosen.seconds,
            cancels=chosen.cancels,
            cancelled_bytes=chosen.cancelled_mib << 20,
        )
        return report("clones", cases.run(root, clones_effort))
    if chosen.name == "watch":
        from scripts.benchmarks import watching

        return report("watch", watching.run(root, changes=chosen.changes, watchers=chosen.watchers))
    if chosen.name == "fleet":
        return report("fleet", _fleet(chosen, root))
    from scripts.benchmarks.nfs.cases import Effort, measure
    from scripts.benchmarks.nfs.lab import lab_place
    from scripts.benchmarks.nfs.local import local_place

    default = Effort(starts=10, silences=3, window_s=20) if chosen.local else Effort(starts=3, silences=1, window_s=90)
    effort = Effort(
        starts=chosen.starts or default.starts,
        silences=chosen.silences or default.silences,
        window_s=chosen.seconds or default.window_s,
    )
    cut_off_s = FULL_CUT_OFF_S if chosen.full else float(chosen.cut_off)
    with (
        local_place(root, clients=chosen.clients, cut_off_s=cut_off_s)
        if chosen.local
        else lab_place(chosen.lab and chosen.lab.resolve(), clients=chosen.clients, cut_off_s=cut_off_s)
    ) as place:
        return report("nfs", asyncio.run(measure(place, effort)), place=place.name)


def _fleet(chosen: argparse.Namespace, root: Path) -> list[Result]:
    from scripts.benchmarks.fleet import cases

    effort = cases.Effort(
        hosts=chosen.hosts,
        volumes=chosen.volumes,
        rounds=chosen.rounds,
        stores=cases.STORES if chosen.store is None else (chosen.store,),
        tls=(False, True) if chosen.tls is None else (chosen.tls,),
    )
    return cases.run(root, effort)


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
            printed = carry_out(chosen, root)
    except (OSError, NotReadyError, CutOffError, PoolfleetError, subprocess.SubprocessError) as error:
        print(f"scripts/bench: {error}", file=sys.stderr)
        return 1
    print(json.dumps(printed, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
