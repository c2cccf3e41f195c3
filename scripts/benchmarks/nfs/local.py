"""The place on this machine: two embedded hosts, a FUSE share, and a server that answers what agents ask. Needs root.

What plain libvirt makes of a failing server is not to be had here: no stand-in fails as mount.nfs does.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from poolfleet.aio import AgentClient
from scripts.benchmarks.nfs.place import Fault, Source
from scripts.benchmarks.nfs.virsh import ended
from scripts.benchmarks.storm import Load
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.nfs_server import NullNfsServer
from scripts.embedded.silent_share import SilentShare

ADDRESS = "127.0.0.1"
UNRESOLVABLE = "nfs.example"
PAUSE_S, VIRSH_PAUSE_S = 1.0, 5.0


class LocalPlace:
    """The place while it is up; `local_place` makes one."""

    name = "stand-ins for NFS on this machine"
    shows_virsh_failing = False

    def __init__(
        self,
        host: EmbeddedHost,
        plain: EmbeddedHost,
        server: NullNfsServer,
        share: SilentShare,
        *,
        clients: int,
        cut_off_s: float,
    ) -> None:
        self.pools_dir, self.plain_pools_dir = str(host.pools_dir), str(plain.pools_dir)
        self.load = Load(clients=clients, pause_s=PAUSE_S)
        self.virsh_load = Load(clients=clients, pause_s=VIRSH_PAUSE_S)
        self._agent = host.agent
        self._virsh = ["virsh", "--quiet", "--connect", plain.libvirtd.uri]
        self._server, self._share = server, share
        self._cut_off_s = cut_off_s

    def agent(self) -> AgentClient:
        """A client of the agent, for the caller to close."""
        return AgentClient(self._agent.target)

    def source(self, fault: Fault | None = None) -> Source:
        """The share; or what has to be started to meet this fault."""
        return Source(
            host=UNRESOLVABLE if fault is Fault.UNRESOLVABLE else ADDRESS,
            path="/missing" if fault is Fault.MISSING_EXPORT else self._share.path,
            options=(f"port={self._server.port}",),
        )

    async def virsh(self, *words: str) -> int:
        """Run virsh on the plain host; its exit status. CutOffError where it does not end, and is killed."""
        return await ended([*self._virsh, *words], limit_s=self._cut_off_s)

    @asynccontextmanager
    async def failing(self, fault: Fault) -> AsyncIterator[None]:
        """Within the block the server fails so. Its names are never to be had, and nothing else than its own."""
        self._server.silent = fault is Fault.SILENT
        if fault is Fault.REFUSED:
            self._server.close()
        try:
            yield
        finally:
            self._server.silent = False
            if fault is Fault.REFUSED:
                self._server.open()

    async def silence(self) -> None:
        """Let the share answer nothing to hosts that have it mounted."""
        self._server.silent = True
        await asyncio.to_thread(self._share.silence)

    async def heal(self) -> None:
        """Let it answer again."""
        self._server.silent = False
        await asyncio.to_thread(self._share.heal)


@contextmanager
def local_place(root: Path, *, clients: int, cut_off_s: float) -> Iterator[LocalPlace]:
    """Have the place within the block, below `root`. Raises PermissionError, NotReadyError."""
    if os.geteuid() != 0:
        raise PermissionError("nfs --local needs root: its hosts have mounts of their own")
    with ExitStack() as stack:
        server = stack.enter_context(NullNfsServer())
        share = stack.enter_context(SilentShare(root / "share", host=ADDRESS))
        host = stack.enter_context(EmbeddedHost("host", root, share=share))
        plain = EmbeddedHost("plain", root, share=share)
        stack.callback(plain.stop)
        plain.start_libvirtd()
        for libvirtd in (host.libvirtd, plain.libvirtd):
            # When it is first asked, libvirtd asks every emulator what it can do, which keeps the machine busy.
            ask = ["virsh", "--quiet", "--connect", libvirtd.uri, "version"]
            subprocess.run(ask, check=True, stdout=subprocess.DEVNULL, timeout=60)
        stack.callback(share.heal)
        stack.enter_context(_resolver_that_drops(host, root))
        yield LocalPlace(host, plain, server, share, clients=clients, cut_off_s=cut_off_s)


@contextmanager
def _resolver_that_drops(host: EmbeddedHost, root: Path) -> Iterator[None]:
    """Within the block the host's names are asked of a server that never answers."""
    conf, switch = root / "resolv.conf", root / "nsswitch.conf"
    # The port of names is always the same: an address of its own lets several benchmarks run at once.
    address = ipaddress.ip_address("127.78.0.0") + os.getpid() % 65_000 + 1
    conf.write_text(f"nameserver {address}\n")
    switch.write_text("hosts: files dns\n")
    with socket.socket(type=socket.SOCK_DGRAM) as unread:
        unread.bind((str(address), 53))
        for file, target in ((conf, "/etc/resolv.conf"), (switch, "/etc/nsswitch.conf")):
            bind = host.libvirtd.surroundings.command(["mount", "--bind", str(file), target])
            subprocess.run(bind, check=True, timeout=60)
        yield
