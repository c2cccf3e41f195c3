"""A netfs stand-in that can fall silent: whoever touches it then waits, until it is healed or the waiter is killed."""

from __future__ import annotations

import os
import select
import signal
import sys
from pathlib import Path

from scripts.embedded.process import NotReadyError, Process
from scripts.embedded.standin import NetfsStandIn

START_LIMIT_S = 30.0


class SilentShare(NetfsStandIn):
    """A share of the files in `root/files`, by FUSE, where NetfsStandIn has a tmpfs."""

    kind = ""
    """What fuse_program.py is told of the share."""

    @property
    def files(self) -> Path:
        """What the share shows, always to be had here."""
        return self.root / "files"

    def silence(self) -> None:
        """Answer nothing from now on."""
        self._fuse.send(signal.SIGSTOP)

    def heal(self) -> None:
        """Answer again, what was asked meanwhile too."""
        self._fuse.send(signal.SIGCONT)

    def waiting_count(self) -> int:
        """How many calls to the share are not answered yet."""
        control = Path(f"/proc/{self._fuse.pid}/root{self.root}/control/{self._minor}/waiting")
        return int(control.read_text())

    def stop(self) -> None:
        """End it: whoever waits for it gets an error."""
        self._fuse.kill9()
        super().stop()

    def _mount(self, export: Path) -> None:
        self.files.mkdir(exist_ok=True)
        control = self.root / "control"
        control.mkdir(exist_ok=True)
        self.namespace.start([("fusectl", "fusectl", str(control))])
        self._fuse = Process(self.root / "fuse.pid")
        program = [sys.executable, "-I", "-S", str(Path(__file__).with_name("fuse_program.py"))]
        said, say = os.pipe()
        try:
            argv = self.namespace.command([*program, self.source, str(self.files), str(export), self.kind])
            self._fuse.start(argv, log=self.root / "fuse.log", stdout=say)
            os.close(say)
            readable, _, _ = select.select([said], [], [], START_LIMIT_S)
            if not readable or os.read(said, 16) != b"ready\n":
                raise NotReadyError(f"no FUSE share: {(self.root / 'fuse.log').read_text()[-500:]}")
        finally:
            os.close(said)
        mounts = Path(f"/proc/{self._fuse.pid}/mountinfo").read_text().splitlines()
        (line,) = [line for line in mounts if f" {export} " in line]
        self._minor = int(line.split()[2].partition(":")[2])
