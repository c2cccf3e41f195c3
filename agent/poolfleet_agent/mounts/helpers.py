"""Finds, by /proc, the mount helpers that libvirt's daemon runs, and ends one of them.

The daemon is who listens on libvirt's socket. Where systemd listens in its stead, or nobody can be asked because the
daemon hangs, it is a child of process 1 with the daemon's name, in the mount namespace of the agent.
"""

import asyncio
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.ports.mount_helpers import MountHelper
from poolfleet_agent.mounts.namespace import listener

HELPERS = frozenset({"mount.nfs", "mount.nfs4", "mount.cifs"})
"""Those that wait for a server. Not mount(8) itself, which may be replaying the journal of a disk."""

DAEMONS = frozenset({"libvirtd", "virtstoraged"})

_INIT_PID = 1
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class _Process:
    name: str
    parent: int
    started_ticks: int


class LibvirtMountHelpers:
    """Implements model.ports.MountHelpers; `sockets`: where libvirt may listen (namespace.libvirt_sockets)."""

    def __init__(self, sockets: Sequence[Path]) -> None:
        self._sockets = sockets

    async def of_libvirt(self) -> Sequence[MountHelper]:
        """Those that run as descendants of libvirt's daemon, without those that only wait for another one of them."""
        return await asyncio.to_thread(self._look)

    def kill(self, helper: MountHelper) -> bool:
        """End that very process: False: it is gone already. AGENT_NOT_AUTHORIZED."""
        try:
            descriptor = os.pidfd_open(helper.pid)
        except ProcessLookupError:
            return False
        try:
            # The descriptor holds the process: what /proc says from here on is said of that one, or of none.
            now = _process(helper.pid)
            if now is None or now.started_ticks != helper.started_ticks:
                return False
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        except ProcessLookupError:
            return False
        except PermissionError as error:
            message = f"{helper.name} of libvirt ({helper.pid}) may not be ended by the agent's user"
            raise ModelError(Reason.AGENT_NOT_AUTHORIZED, message, metadata={"pid": str(helper.pid)}) from error
        finally:
            os.close(descriptor)
        return True

    def _look(self) -> Sequence[MountHelper]:
        processes = dict(_processes())
        daemons = self._daemons(processes)
        of_libvirt = {
            pid: process
            for pid, process in processes.items()
            if process.name in HELPERS and any(ancestor in daemons for ancestor in _ancestors(pid, processes))
        }
        waiting = {process.parent for process in of_libvirt.values()}
        now_s = time.clock_gettime(time.CLOCK_BOOTTIME)
        return [
            MountHelper(
                pid=pid,
                started_ticks=process.started_ticks,
                name=process.name,
                running_s=now_s - process.started_ticks / _TICKS_PER_S,
            )
            for pid, process in of_libvirt.items()
            if pid not in waiting
        ]

    def _daemons(self, processes: Mapping[int, _Process]) -> set[int]:
        listening = {pid for path in self._sockets if (pid := listener(path)) is not None and pid > _INIT_PID}
        if listening:
            return listening
        return {
            pid
            for pid, process in processes.items()
            if process.name in DAEMONS and process.parent == _INIT_PID and _in_our_namespace(pid)
        }


def _processes() -> Iterator[tuple[int, _Process]]:
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (process := _process(int(entry))) is not None:
            yield int(entry), process


def _process(pid: int) -> _Process | None:
    """What /proc says of a process; None: it is gone, or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    # A name may have spaces and brackets of its own.
    before, _, after = text.rpartition(")")
    state, parent, *rest = after.split()
    return None if state == "Z" else _Process(before.partition("(")[2], int(parent), int(rest[17]))


def _ancestors(pid: int, processes: Mapping[int, _Process]) -> Iterator[int]:
    seen: set[int] = set()
    while (process := processes.get(pid)) is not None and pid not in seen:
        seen.add(pid)
        pid = process.parent
        yield pid


def _in_our_namespace(pid: int) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/ns/mnt") == os.readlink("/proc/self/ns/mnt")
    except OSError:
        return False
