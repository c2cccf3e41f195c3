"""A netfs stand-in that can fall silent: whoever touches it then waits, until it is healed or the waiter is killed."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.embedded.namespace import MountNamespace
from scripts.embedded.process import NotReadyError, Process
from scripts.embedded.standin import NetfsStandIn

START_LIMIT_S = 30.0


class SilentShare(NetfsStandIn):
    """A share of the files in `root/files`, by FUSE, where NetfsStandIn has a tmpfs.

    `more`: other shares of that server, each `host:/path`, which fall silent and heal together with it.
    """

    kind = ""
    """What fuse_program.py is told of the share."""

    def __init__(self, root: Path, *, host: str = "nfs.test", path: str = "/export", more: Sequence[str] = ()) -> None:
        super().__init__(root, host=host, path=path)
        self._served = [_Served(root, self.source, "export", self.kind)]
        self._served += [_Served(root, source, f"export{number}", self.kind) for number, source in enumerate(more)]

    @property
    def files(self) -> Path:
        """What the share shows, always to be had here."""
        return self._served[0].files

    def hold_opens(self) -> None:
        """Answer everything but opens from now on, as a server in its grace period."""
        for served in self._served:
            served.hold.touch()

    def let_open(self) -> None:
        """Answer them, those that wait too."""
        for served in self._served:
            served.hold.unlink(missing_ok=True)

    def replace_exports(self) -> None:
        """Have every file be stale from now on; `let_open` ends it, for mounts of before too."""
        for served in self._served:
            new = served.hold.with_suffix(".new")
            new.write_text("stale")
            new.replace(served.hold)  # never seen empty, which would hold an open

    def silence(self) -> None:
        """Answer nothing from now on."""
        for served in self._served:
            served.process.send(signal.SIGSTOP)

    def heal(self) -> None:
        """Answer again, what was asked meanwhile too."""
        for served in self._served:
            served.process.send(signal.SIGCONT)

    def waiting_count(self) -> int:
        """How many calls are not answered yet."""
        return sum(served.waiting_count() for served in self._served)

    def stop(self) -> None:
        """End it: whoever waits for it gets an error."""
        for served in self._served:
            served.process.kill9()
        super().stop()

    def _exports(self) -> dict[str, Path]:
        return {served.source: served.export for served in self._served}

    def _mount(self, export: Path) -> None:
        control = self.root / "control"
        control.mkdir(exist_ok=True)
        self.namespace.start([("fusectl", "fusectl", str(control))])
        for served in self._served:
            served.start(self.namespace)


class _Served:
    """One share: a FUSE program, mounted on `root/NAME`."""

    def __init__(self, root: Path, source: str, name: str, kind: str) -> None:
        self.source = source
        self.kind = kind
        self.export = root / name
        self.files = root / name.replace("export", "files")
        self.hold = root / name.replace("export", "hold-opens")
        self.process = Process(root / f"{name.replace('export', 'fuse')}.pid")
        self._root = root
        self._minor = 0

    def start(self, namespace: MountNamespace) -> None:
        for folder in (self.export, self.files):
            folder.mkdir(exist_ok=True)
        program = [sys.executable, "-I", "-S", str(Path(__file__).with_name("fuse_program.py"))]
        log = self._root / "fuse.log"
        said, say = os.pipe()
        try:
            argv = namespace.command(
                [*program, self.source, str(self.files), str(self.export), str(self.hold), self.kind]
            )
            self.process.start(argv, log=log, stdout=say)
            os.close(say)
            readable, _, _ = select.select([said], [], [], START_LIMIT_S)
            if not readable or os.read(said, 16) != b"ready\n":
                raise NotReadyError(f"no FUSE share: {log.read_text()[-500:]}")
        finally:
            os.close(said)
        mounts = Path(f"/proc/{self.process.pid}/mountinfo").read_text().splitlines()
        (line,) = [line for line in mounts if f" {self.export} " in line]
        self._minor = int(line.split()[2].partition(":")[2])

    def waiting_count(self) -> int:
        control = Path(f"/proc/{self.process.pid}/root{self._root}/control/{self._minor}/waiting")
        return int(control.read_text())
