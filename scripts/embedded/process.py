"""One process that we started: known by a pid file, so that a later run can end it, and never mistaken for another."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


class NotReadyError(RuntimeError):
    """Something did not become ready, or did not end, within its limit."""


def wait_until(ready: Callable[[], bool], *, limit_s: float, what: str, every_s: float = 0.02) -> None:
    """Ask `ready` again and again until it says yes; raises NotReadyError, naming `what`, after `limit_s` seconds."""
    deadline = time.monotonic() + limit_s
    while not ready():
        if time.monotonic() > deadline:
            raise NotReadyError(f"{what}: not within {limit_s:g} s")
        time.sleep(every_s)


def started_at_ticks(pid: int) -> int | None:
    """When the process began, in clock ticks since boot; None where it is gone or only waits to be reaped."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name in parentheses may hold spaces and parentheses itself.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


class Process:
    """A process of its own session, whose pid and time of start stand in `pid_file`."""

    def __init__(self, pid_file: Path) -> None:
        self._pid_file = pid_file
        self._child: subprocess.Popen[bytes] | None = None

    def start(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        log: Path | None = None,
        stdout: int | None = None,
    ) -> None:
        """Start it; both its outputs are added to `log`, but for a `stdout` (a descriptor) that is given.

        Raises RuntimeError where it runs already, OSError where the program is not there.
        """
        if self.pid is not None:
            raise RuntimeError(f"{self._pid_file.stem} already runs as {self.pid}")
        with open(log or os.devnull, "ab") as out:
            child = subprocess.Popen(
                argv,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=out if stdout is None else stdout,
                stderr=out,
                start_new_session=True,
            )
        self._child = child
        self._pid_file.write_text(f"{child.pid} {started_at_ticks(child.pid)}")

    @property
    def pid(self) -> int | None:
        """Its process id, None where it does not run (any more)."""
        if self._child is not None and self._child.poll() is not None:
            self._child = None
        try:
            pid, ticks = self._pid_file.read_text().split()
        except (FileNotFoundError, ValueError):
            return None
        return int(pid) if ticks == str(started_at_ticks(int(pid))) else None

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; nothing happens where it is gone."""
        if (pid := self.pid) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill9(self, *, limit_s: float = 30) -> None:
        """End it at once, as a crash would, and wait until it is gone; raises NotReadyError after `limit_s`."""
        self._end(signal.SIGKILL, limit_s)

    def stop(self, *, limit_s: float = 10) -> None:
        """Ask it to end, kill it after `limit_s` seconds, and wait until it is gone; a stopped one is continued."""
        try:
            self._end(signal.SIGTERM, limit_s)
        except NotReadyError:
            # However short a time it had to end by itself, to be killed takes what it takes on a busy machine.
            self.kill9()
        self._pid_file.unlink(missing_ok=True)

    def _end(self, number: signal.Signals, limit_s: float) -> None:
        if (pid := self.pid) is None:
            return
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(pid)
            try:
                signal.pidfd_send_signal(descriptor, number)
                signal.pidfd_send_signal(descriptor, signal.SIGCONT)
                poll = select.poll()
                poll.register(descriptor, select.POLLIN)
                if not poll.poll(limit_s * 1000):
                    raise NotReadyError(f"process {pid} did not end: not within {limit_s:g} s")
            finally:
                os.close(descriptor)
        if self._child is not None:
            self._child.wait()
            self._child = None
