"""A mount namespace that stays while processes in it come and go, as a host's mounts do. Needs root."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from scripts.embedded.process import NotReadyError, Process, wait_until

START_LIMIT_S = 30.0
STOP_LIMIT_S = 30.0


class MountNamespace:
    """One that `root/holder.pid` names, made `within` another one where that is given: it begins with its mounts."""

    def __init__(self, root: Path, *, within: MountNamespace | None = None) -> None:
        self._within = within
        self._log = root / "holder.log"
        self._holder = Process(root / "holder.pid")

    def start(self, mounts: Sequence[tuple[str, str, str]]) -> None:
        """Make it, with (bind, folder, target) and (file system type, name, target) mounted in this order.

        Raises NotReadyError with what went wrong, and leaves nothing then.
        """
        program = [sys.executable, "-I", "-S", str(Path(__file__).with_name("holder.py"))]
        argv = [*program, *(word for mount in mounts for word in mount)]
        said, say = os.pipe()
        try:
            try:
                self._holder.start(
                    argv if self._within is None else self._within.command(argv), log=self._log, stdout=say
                )
            finally:
                os.close(say)
            readable, _, _ = select.select([said], [], [], START_LIMIT_S)
            if not readable or os.read(said, 16) != b"ready\n":
                raise NotReadyError(f"no mount namespace: {self._log.read_text().strip()[-500:]}")
        except BaseException:
            self.stop()
            raise
        finally:
            os.close(said)

    def command(self, argv: Sequence[str]) -> list[str]:
        """The command line that runs `argv` inside; raises RuntimeError where the namespace is not there."""
        if (holder := self._holder.pid) is None:
            raise RuntimeError("the mount namespace is not there: start the host first")
        # --root, because entering a namespace would leave a chroot.
        return ["nsenter", f"--target={holder}", "--mount", "--root", "--", *argv]

    def pids(self) -> list[int]:
        """Every process inside, but the one that holds it."""
        if (holder := self._holder.pid) is None:
            return []
        namespace = os.readlink(f"/proc/{holder}/ns/mnt")
        inside = processes(lambda process: os.readlink(process / "ns/mnt") == namespace)
        return [pid for pid in inside if pid != holder]

    def stop(self) -> None:
        """End what runs inside and wait for it; the mounts go with the namespace."""
        kill_all(self.pids)
        self._holder.stop()


def processes(chosen: Callable[[Path], bool]) -> list[int]:
    """The processes whose /proc folder is `chosen`; those that are gone or hidden from us are not."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if chosen(process):
                found.append(int(process.name))
    return found


def kill_all(pids: Callable[[], list[int]]) -> None:
    """Kill what `pids` names until it names nothing; raises NotReadyError after STOP_LIMIT_S."""

    def none_left() -> bool:
        left = pids()
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not left

    wait_until(none_left, limit_s=STOP_LIMIT_S, what="the host's processes end")
