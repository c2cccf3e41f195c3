"""What the processes of one host run in: a mount namespace for root, a home of their own for anybody else."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from scripts.embedded.namespace import MountNamespace, kill_all, processes
from scripts.embedded.standin import NetfsStandIn

# Where a system libvirtd keeps its things, and the host's own folder for them.
_SYSTEM_FOLDERS = {
    "/etc/libvirt": "etc",
    "/var/lib/libvirt": "lib",
    "/var/cache/libvirt": "cache",
    "/var/log/libvirt": "log",
}

_KVM = Path("/dev/kvm")


class Surroundings(Protocol):
    """Where the processes of one host run, and how every one of them is found again."""

    scheme: str
    """Which libvirt it is: the path of its URI."""

    capabilities_cache: Path
    """Where libvirtd remembers what the emulators can do, which is the same on all hosts of one machine."""

    env: dict[str, str]
    """The environment of each program of the host."""

    def start(self) -> None:
        """Make them; raises NotReadyError."""

    def command(self, argv: Sequence[str]) -> list[str]:
        """The command line that runs `argv` inside."""

    def pids(self) -> list[int]:
        """Every process that runs inside."""

    def stop(self) -> None:
        """End whatever still runs inside, and wait for it."""


def surroundings(root: Path, share: NetfsStandIn | None) -> Surroundings:
    """What this user can have below `root`; only root can have a `share`: ValueError for others."""
    if os.geteuid() == 0:
        return PrivateMounts(root, share)
    if share is not None:
        raise ValueError("a netfs stand-in needs root")
    return OwnHome(root)


class PrivateMounts:
    """For a system libvirtd that has /run, /etc/libvirt and /var/lib/libvirt to itself."""

    def __init__(self, root: Path, share: NetfsStandIn | None) -> None:
        self.scheme = "system"
        self.capabilities_cache = root / "cache/qemu/capabilities"
        self.env = dict(os.environ)
        self._root = root
        self._share = share
        self._namespace = MountNamespace(root, within=None if share is None else share.namespace)
        self.command = self._namespace.command
        self.pids = self._namespace.pids
        self.stop = self._namespace.stop

    def start(self) -> None:
        mounts = [("tmpfs", "tmpfs", "/run")]
        for target, name in _SYSTEM_FOLDERS.items():
            folder = self._root / name
            folder.mkdir(parents=True, exist_ok=True)
            mounts.append(("bind", str(folder), target))
        if _KVM.exists():
            # Guests are defined here and never booted. Where KVM is there and does not work, libvirtd asks each
            # emulator again at every definition, for many seconds; a device that it may not open it leaves alone.
            no_kvm = self._root / "no-kvm"
            no_kvm.touch(mode=0)
            mounts.append(("bind", str(no_kvm), str(_KVM)))
        if self._share is not None:
            mounts.append(self._share.mount_wrapper())
        self._namespace.start(mounts)


class OwnHome:
    """For a session libvirtd that shares nothing with the user's own."""

    def __init__(self, root: Path) -> None:
        home = root / "home"
        self.scheme = "session"
        self.capabilities_cache = home / "cache/libvirt/qemu/capabilities"
        self.env = os.environ | {
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(home / "run"),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_CACHE_HOME": str(home / "cache"),
            "XDG_DATA_HOME": str(home / "data"),
            # Nobody listens there: otherwise libvirt would start a bus where the user has a display.
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={home}/run/bus",
        }
        self._home = home

    def start(self) -> None:
        runtime = self._home / "run"
        runtime.mkdir(parents=True, exist_ok=True)
        # libvirt refuses a runtime folder that others can enter.
        runtime.chmod(0o700)

    def command(self, argv: Sequence[str]) -> list[str]:
        return list(argv)

    def pids(self) -> list[int]:
        # libvirt hands HOME on to what it starts, and nothing else that is ours.
        mark = f"HOME={self._home}".encode()
        return processes(lambda process: mark in (process / "environ").read_bytes().split(b"\0"))

    def stop(self) -> None:
        kill_all(self.pids)
