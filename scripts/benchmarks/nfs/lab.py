"""The place in the lab: virtual machines with kernel NFS, where plain libvirt too meets real failures.

All of it is emulated, and everything takes about three times as long; virsh is asked by ssh, which adds its own part.
"""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, redirect_stdout
from pathlib import Path

from poolfleet.aio import AgentClient
from scripts.benchmarks.figures import CutOffError
from scripts.benchmarks.nfs.place import Fault, Source
from scripts.benchmarks.nfs.virsh import ended
from scripts.benchmarks.storm import Load
from scripts.embedded.process import wait_until
from scripts.virtual_lab.__main__ import some_lab
from scripts.virtual_lab.lab import Lab

SERVER, UNRESOLVABLE = "nfs.lab", "nfs.example"
EXPORTS = "/srv/nfs"
POOLS_DIR = "/srv/pools"
DNS_PORT = 53
PAUSE_S, VIRSH_PAUSE_S = 10.0, 60.0
CALL_LIMIT_S = 180.0
LET_GO_LIMIT_S = 120.0
# How `timeout` ends when it killed what it ran.
KILLED = frozenset({124, 137})


class LabPlace:
    """The place while a lab is up; `lab_place` makes one. The second host's agent does not run."""

    name = "emulated virtual machines with kernel NFS"
    shows_virsh_failing = True
    pools_dir = plain_pools_dir = POOLS_DIR

    def __init__(self, lab: Lab, *, clients: int, cut_off_s: float) -> None:
        self.load = Load(clients=clients, pause_s=PAUSE_S)
        # Half as many are more than libvirtd has workers; each of their calls is a process in there.
        self.virsh_load = Load(clients=max(1, clients // 2), pause_s=VIRSH_PAUSE_S)
        self._server = lab.server
        self._host, self._plain = lab.hosts
        self._cut_off_s = cut_off_s

    def agent(self) -> AgentClient:
        """A client of the agent, for the caller to close."""
        return AgentClient(self._host.target, tls=self._host.controller_tls, timeout_s=CALL_LIMIT_S)

    def source(self, fault: Fault | None = None) -> Source:
        """The share; or what has to be started to meet this fault."""
        return Source(
            host=UNRESOLVABLE if fault is Fault.UNRESOLVABLE else SERVER,
            path=f"{EXPORTS}/{'missing' if fault is Fault.MISSING_EXPORT else 'vm_data'}",
        )

    async def virsh(self, *words: str) -> int:
        """Run virsh on the plain host; its exit status. CutOffError where it does not end, and is killed."""
        limited = f"timeout -k 1 {self._cut_off_s:g} virsh --quiet {shlex.join(words)}"
        status = await ended(self._plain.ssh_command(limited), limit_s=self._cut_off_s + CALL_LIMIT_S)
        if status in KILLED:
            raise CutOffError(self._cut_off_s)
        return status

    @asynccontextmanager
    async def failing(self, fault: Fault) -> AsyncIterator[None]:
        """Within the block the server fails so; afterwards nothing goes on of what virsh was cut off from."""
        await asyncio.to_thread(self._begin, fault)
        try:
            yield
        finally:
            await self.heal()
            await asyncio.to_thread(self._let_go)

    async def silence(self) -> None:
        """Let the share answer nothing to hosts that have it mounted."""
        await asyncio.to_thread(self._server.silent)

    async def heal(self) -> None:
        """Let it answer again."""
        await asyncio.to_thread(self._server.heal)

    def _begin(self, fault: Fault) -> None:
        match fault:
            case Fault.REFUSED:
                self._server.refuse()
            case Fault.SILENT:
                self._server.silent()
            case Fault.UNRESOLVABLE:
                self._server.silent_on(DNS_PORT)
            case Fault.MISSING_EXPORT:
                pass

    def _let_go(self) -> None:
        """End the mounts that libvirtd of the plain host is still at, and what came of them."""

        def nothing_mounts() -> bool:
            return self._plain.ssh_any("pkill --exact mount.nfs", timeout_s=LET_GO_LIMIT_S).status == 1

        wait_until(nothing_mounts, limit_s=LET_GO_LIMIT_S, what="no mount is under way")
        for target in self._plain.mounts():
            self._plain.ssh(f"umount {shlex.quote(target)}", timeout_s=LET_GO_LIMIT_S)


@contextmanager
def lab_place(folder: Path | None, *, clients: int, cut_off_s: float) -> Iterator[LabPlace]:
    """Have the place within the block: in the lab that is up in `folder`, or in one of its own, gone afterwards."""
    # Standard output is the report's alone.
    with redirect_stdout(sys.stderr), some_lab(folder) as lab:
        plain = lab.hosts[1]
        for host in lab.hosts:
            host.clear()
        plain.ssh("systemctl stop poolfleet-agent", timeout_s=CALL_LIMIT_S)
        try:
            yield LabPlace(lab, clients=clients, cut_off_s=cut_off_s)
        finally:
            lab.server.heal()
            plain.restart_agent()
            for host in lab.hosts:
                host.clear()
