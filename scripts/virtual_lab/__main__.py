"""What `scripts/lab` runs when it has set up what this needs: a lab for a person, or for the tests."""

from __future__ import annotations

import argparse
import os
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
from scripts.embedded.process import NotReadyError
from scripts.virtual_lab.demo import Demo
from scripts.virtual_lab.image import ImageError, cached_image
from scripts.virtual_lab.lab import Lab
from scripts.virtual_lab.machine import CommandError
from scripts.virtual_lab.mount_texts import record_mount_texts
from scripts.virtual_lab.report import write_report

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
CHECKOUT = Path(__file__).parents[2]


def tell(text: str) -> None:
    """How far it is, for a person."""
    print(text, flush=True)


def default_folder() -> Path:
    """Where a lab lies that was not told where: its path is short, for sockets."""
    return Path(f"/tmp/poolfleet-lab-{os.getuid()}")  # noqa: S108


def up(folder: Path) -> Lab:
    """A running lab in this folder, which has to be empty or not there; nothing is left of it where that fails."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid() or any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not ours, or not empty: choose another --dir, or end what is there by down")
    lab = Lab.new(folder)
    try:
        lab.up(tell)
    except BaseException:
        lab.down()
        raise
    return lab


@contextmanager
def some_lab(folder: Path | None) -> Iterator[Lab]:
    """The lab that is up in this folder, left as it is; without a folder one of its own, gone after the block."""
    if folder is not None:
        yield Lab.found_in(folder)
        return
    with tempfile.TemporaryDirectory(prefix="pf-lab-", dir="/tmp", ignore_cleanup_errors=True) as scratch:
        lab = up(Path(scratch))
        try:
            yield lab
        finally:
            # A second Ctrl-C would leave half of it behind.
            for number in SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            lab.down()


def run_tests(lab: Lab, words: list[str], *, full: bool, report: Path | None) -> int:
    """Run the lab's tests, `full` or only their short form; pytest's exit code."""
    which = [] if any(word.startswith("tests/") for word in words) else ["tests/lab"]
    chosen = [] if full else ["-m", "not full"]
    # Of the forms of junit's report the one that has what tests record.
    form = ["-o", "junit_family=xunit1"]
    limits = ["-o", "timeout=600", "-o", "faulthandler_timeout=660", "--durations=0", "--durations-min=1"]
    with tempfile.TemporaryDirectory(dir=lab.root) as scratch:
        junit = Path(scratch, "junit.xml")
        argv = [sys.executable, "-m", "pytest", *limits, *form, *chosen, f"--junitxml={junit}", *which, *words]
        environment = os.environ | {"POOLFLEET_LAB": str(lab.root)}
        status = subprocess.run(argv, cwd=CHECKOUT, env=environment, check=False).returncode
        if report is not None and junit.exists():
            write_report(report, lab, junit, title=f"`scripts/lab test{' --full' if full else ''}`")
    return status


def arguments() -> argparse.Namespace:
    """What the command line says; ends the program where that makes no sense."""
    parser = argparse.ArgumentParser(prog="scripts/lab", description="Virtual machines with real NFS; see docs/lab.md.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    place: dict[str, argparse.ArgumentParser] = {}
    for name, text in (
        ("up", "start a lab and leave it running; DIR/fleet.toml names its hosts"),
        ("down", "end the lab in DIR"),
        ("push", "have the agents of the lab in DIR run the checkout's code as it is now"),
        ("ssh", "run a command, or a shell, as root in a machine of the lab in DIR"),
        ("image", "make the image that all machines boot from, where it is not in the cache"),
        ("test", "run tests/lab in a lab of its own, or in the one that is up in DIR"),
        ("demo", "show poolfleet on real NFS, the server cut off and healed, in a lab of its own or the one in DIR"),
        ("record-mount-texts", "record again what mount.nfs says, for the corpus of the tests"),
    ):
        place[name] = commands.add_parser(name, help=text, description=text)
        place[name].add_argument("--dir", type=Path, metavar="DIR", help=f"default: {default_folder()}")
    place["ssh"].add_argument("host", help="server, host1 or host2")
    place["ssh"].add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND")
    place["test"].add_argument("--full", action="store_true", help="all tests: a good hour more")
    place["test"].add_argument(
        "--report", type=Path, metavar="FILE", help="write its report there, as docs/lab.md has it"
    )
    place["test"].add_argument("words", nargs=argparse.REMAINDER, metavar="ARGS", help="for pytest, after --")
    return parser.parse_args()


def carry_out(chosen: argparse.Namespace) -> int:
    """Do it; the exit code."""
    folder: Path = (chosen.dir or default_folder()).resolve()
    match chosen.command:
        case "up":
            lab = up(folder)
            tell(f"\nThe lab is up in {folder}. Try next:")
            tell(f"  .venv/bin/poolfleet --fleet {shlex.quote(str(lab.file))} host list")
            tell(f"  scripts/lab ssh host1\nand in the end:\n  scripts/lab down{_as_told(chosen)}")
        case "image":
            cached_image(tell)
        case "down":
            Lab.found_in(folder).down()
        case "push":
            Lab.found_in(folder).push()
        case "ssh":
            argv = Lab.found_in(folder).machine(chosen.host).ssh_command(*chosen.words)
            os.execvp(argv[0], argv)  # noqa: S606
        case "test":
            with some_lab(None if chosen.dir is None else folder) as lab:
                words = [word for word in chosen.words if word != "--"]
                return run_tests(lab, words, full=chosen.full, report=chosen.report)
        case "demo":
            with some_lab(None if chosen.dir is None else folder) as lab:
                Demo(lab, tell).run()
        case "record-mount-texts":
            with some_lab(None if chosen.dir is None else folder) as lab:
                return min(1, record_mount_texts(lab, tell))
    return 0


def _as_told(chosen: argparse.Namespace) -> str:
    return "" if chosen.dir is None else f" --dir {shlex.quote(str(chosen.dir))}"


def leave(number: int, _frame: FrameType | None) -> None:
    """End by the way that cleans up."""
    raise SystemExit(128 + number)


def main() -> int:
    """Run the command; the exit code."""
    chosen = arguments()
    for number in SIGNALS:
        signal.signal(number, leave)
    try:
        return carry_out(chosen)
    except (
        OSError,
        ValueError,
        ImageError,
        NotReadyError,
        CommandError,
        PoolfleetError,
        subprocess.SubprocessError,
    ) as error:
        print(f"scripts/lab: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
