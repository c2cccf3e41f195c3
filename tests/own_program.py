"""A program of an agent's own, caught as soon as it is there, and stopped: long work that takes no time."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from scripts.embedded.host import EmbeddedHost
from scripts.embedded.process import wait_until

LIMIT_S = 60.0


class OwnProgram:
    """The first process of the host's agent that runs `name`."""

    def __init__(self, host: EmbeddedHost, name: str) -> None:
        self._agent_pid = host.agent.pid
        self._name = f"/{name}.py".encode()
        self.pid = 0

    def stop(self) -> None:
        """Return when it is there and stands still."""
        wait_until(self._found, limit_s=LIMIT_S, what="the program runs", every_s=0.002)
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it run."""
        os.kill(self.pid, signal.SIGCONT)

    def wait_gone(self) -> None:
        """Return when it is no more."""
        wait_until(lambda: not Path(f"/proc/{self.pid}/exe").exists(), limit_s=LIMIT_S, what="the program is gone")

    def _found(self) -> bool:
        for children in Path(f"/proc/{self._agent_pid}/task").glob("*/children"):
            with contextlib.suppress(OSError):  # gone meanwhile
                for child in children.read_text().split():
                    if self._name in Path(f"/proc/{child}/cmdline").read_bytes():
                        self.pid = int(child)
                        return True
        return False
