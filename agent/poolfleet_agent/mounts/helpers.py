"""Finds, by /proc, the mount helpers that libvirt's daemon runs, and ends one of them.

The daemon is who listens on libvirt's socket. Where systemd listens in its stead, or nobody can be asked because the
daemon hangs, it is a child of process 1 with the daemon's name, in the mount namespace of the agent.
"""

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.ports.mount_helpers import MountHelper
from poolfleet_agent.mounts.namespace import in_our_namespace, listener
from poolfleet_agent.mounts.process_table import HELPERS, INIT_PID, HostProcess, ancestors, end, processes

DAEMONS = frozenset({"libvirtd", "virtstoraged"})

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


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
            return end(helper.pid, helper.started_ticks)
        except PermissionError as error:
            message = f"{helper.name} of libvirt ({helper.pid}) may not be ended by the agent's user"
            raise ModelError(Reason.AGENT_NOT_AUTHORIZED, message, metadata={"pid": str(helper.pid)}) from error

    def _look(self) -> Sequence[MountHelper]:
        all_of_them = dict(processes())
        helpers = {pid: process for pid, process in all_of_them.items() if process.name in HELPERS}
        # Nobody is connected to, which may wake a daemon, where nothing runs that could be its.
        daemons = self._daemons(all_of_them) if helpers else set()
        of_libvirt = {
            pid: process
            for pid, process in helpers.items()
            if any(ancestor in daemons for ancestor in ancestors(pid, all_of_them))
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

    def _daemons(self, all_of_them: Mapping[int, HostProcess]) -> set[int]:
        listening = {pid for path in self._sockets if (pid := listener(path)) is not None and pid > INIT_PID}
        if listening:
            return listening
        return {
            pid
            for pid, process in all_of_them.items()
            if process.name in DAEMONS and process.parent == INIT_PID and in_our_namespace(pid)
        }
