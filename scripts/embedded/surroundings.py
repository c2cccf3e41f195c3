"""What a host's processes run in, and what finds every one of them again: a mount namespace, or a home of their own."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from embedded.process import NotReadyError, Process, wait_until

START_LIMIT_S = 30.0
STOP_LIMIT_S = 10.0

# Where a system libvirtd keeps its things → the host's own folder for them.
_SYSTEM_FOLDERS = {
    "/etc/libvirt": "etc",
    "/var/lib/libvirt": "lib",
    "/var/cache/libvirt": "cache",
    "/var/log/libvirt": "log",
}


class Surroundings(Protocol):
    """Where the processes of one host run."""

    @property
    def scheme(self) -> str:
        """The URI's path: system or session."""

    @property
    def capabilities_cache(self) -> Path:
        """Where libvirtd remembers what the emulators can do, which is the same on all hosts of one machine."""

    @property
    def env(self) -> dict[str, str]:
        """The environment of each program of the host."""

    def start(self) -> None:
        """Make them; raises NotReadyError."""

    def command(self, argv: Sequence[str]) -> list[str]:
        """The command line that runs `argv` inside."""

    def pids(self) -> list[int]:
        """Every process that runs inside."""

    def stop(self) -> None:
        """End whatever still runs inside, and wait for it."""


def surroundings(root: Path) -> Surroundings:
    """What this user can have: root a mount namespace, anybody else a home."""
    return PrivateMounts(root) if os.geteuid() == 0 else OwnHome(root)


class PrivateMounts:
    """A mount namespace: a system libvirtd in it has /run, /etc/libvirt and /var/lib/libvirt to itself. Needs root."""

    scheme = "system"

    def __init__(self, root: Path) -> None:
        self._root = root
        # It outlives libvirtd and agent, as the mounts of a real host do.
        self._holder = Process(root / "holder.pid")

    @property
    def capabilities_cache(self) -> Path:
        return self._root / "cache/qemu/capabilities"

    @property
    def env(self) -> dict[str, str]:
        return dict(os.environ)

    def start(self) -> None:
        binds = []
        for target, name in _SYSTEM_FOLDERS.items():
            folder = self._root / name
            folder.mkdir(parents=True, exist_ok=True)
            Path(target).mkdir(parents=True, exist_ok=True)
            binds.append(f"{folder}={target}")
        log = self._root / "holder.log"
        said, say = os.pipe()
        try:
            holder = Path(__file__).with_name("holder.py")
            self._holder.start([sys.executable, "-I", "-S", str(holder), *binds], log=log, stdout=say)
            os.close(say)
            readable, _, _ = select.select([said], [], [], START_LIMIT_S)
            if not readable or os.read(said, 16) != b"ready\n":
                raise NotReadyError(f"no mount namespace: {log.read_text().strip()}")
        except BaseException:
            self.stop()
            raise
        finally:
            os.close(said)

    def command(self, argv: Sequence[str]) -> list[str]:
        if (holder := self._holder.pid) is None:
            raise RuntimeError("the host's mount namespace is not there: start the host first")
        # --root, because entering a namespace would leave a chroot.
        return ["nsenter", f"--target={holder}", "--mount", "--root", "--", *argv]

    def pids(self) -> list[int]:
        if (holder := self._holder.pid) is None:
            return []
        namespace = os.readlink(f"/proc/{holder}/ns/mnt")
        return _processes(lambda process: os.readlink(process / "ns/mnt") == namespace)

    def stop(self) -> None:
        if (holder := self._holder.pid) is not None:
            # Without the holder the others could no longer be told from the machine's own.
            _kill_all(lambda: [pid for pid in self.pids() if pid != holder])
        self._holder.stop()


class OwnHome:
    """A home and XDG folders: a session libvirtd in them shares nothing with the user's own. For any user."""

    scheme = "session"

    def __init__(self, root: Path) -> None:
        self._home = root / "home"

    @property
    def capabilities_cache(self) -> Path:
        return self._home / "cache/libvirt/qemu/capabilities"

    @property
    def env(self) -> dict[str, str]:
        home = self._home
        return os.environ | {
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(home / "run"),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_CACHE_HOME": str(home / "cache"),
            "XDG_DATA_HOME": str(home / "data"),
            # Nobody listens there: otherwise libvirt would start a bus where the user has a display.
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={home}/run/bus",
        }

    def start(self) -> None:
        (self._home / "run").mkdir(parents=True, exist_ok=True)
        # libvirt refuses a runtime folder that others can enter.
        (self._home / "run").chmod(0o700)

    def command(self, argv: Sequence[str]) -> list[str]:
        return list(argv)

    def pids(self) -> list[int]:
        # libvirt hands HOME on to what it starts, and to nothing else of ours.
        mark = f"HOME={self._home}".encode()
        return _processes(lambda process: mark in (process / "environ").read_bytes().split(b"\0"))

    def stop(self) -> None:
        _kill_all(self.pids)


def _processes(chosen: Callable[[Path], bool]) -> list[int]:
    """The processes whose /proc folder is `chosen`; those that are gone or not ours are not."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if chosen(process):
                found.append(int(process.name))
    return found


def _kill_all(pids: Callable[[], list[int]]) -> None:
    def none_left() -> bool:
        left = pids()
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not left

    wait_until(none_left, limit_s=STOP_LIMIT_S, what="the host's processes end")
