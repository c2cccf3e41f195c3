"""What an NFS server exports: by its MOUNT program, or, where it speaks version 4 only and has none, by its root."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from poolfleet_agent.model.errors import ModelError
from poolfleet_agent.model.mount_failure import MountError, MountFailure
from poolfleet_agent.model.pool_source import NetfsSource
from poolfleet_agent.model.ports.mounts import Export, MountRequest
from poolfleet_agent.mounts import nfs_rpc, server_root
from poolfleet_agent.mounts.mount import mount_arguments, mount_error
from poolfleet_agent.mounts.resolve import Resolver
from poolfleet_agent.mounts.rpc import RpcError
from poolfleet_agent.processes.child import Children, own_program
from poolfleet_agent.processes.run import run

LOOK = own_program(server_root)
"""The command that looks at a root; a folder and the command that mounts come after it."""

# Soft: nothing but a look depends on it. A superblock of its own: what is mounted from that server stays as it is.
_OPTIONS = ("ro", "nosharecache", "soft", "timeo=20", "retrans=1")
_MOST_OUTPUT_BYTES = 1 << 20


class ExportLister:
    """`folder`: an empty one of the agent's own, made when it is needed, where nobody else sees anything mounted."""

    def __init__(
        self,
        children: Children,
        resolver: Resolver,
        folder: Path,
        *,
        mount: Sequence[str] = ("mount",),
        ask_timeout_s: float = 2.0,
        look_timeout_s: float = 20.0,
    ) -> None:
        self._children = children
        self._resolver = resolver
        self._folder = folder
        self._mount = mount
        self._ask_timeout_s = ask_timeout_s
        self._look_timeout_s = look_timeout_s

    async def listed(self, host: str) -> tuple[Export, ...] | None:
        """The exports of which the server's MOUNT program tells; None: it has none that answers. MountError (name)."""
        addresses = await self._resolver.addresses(host)
        try:
            async with asyncio.timeout(self._ask_timeout_s):
                port = await nfs_rpc.mountd_port(addresses[0])
                return await nfs_rpc.exports(addresses[0], port) if port else None
        except (TimeoutError, OSError, RpcError):
            return None

    async def below_root(self, host: str, port: int = 0) -> tuple[str, ...]:
        """The paths that can be mounted, as far as the server's root shows: MountError; `port` 0: NFS's own."""
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        request = MountRequest(
            source=NetfsSource(host=host, path="/", format="nfs"),
            target=str(self._folder),
            options=(*_OPTIONS, *([f"port={port}"] if port else [])),
            protocol_version="4",
        )
        argv = (*LOOK, request.target, *self._mount, *mount_arguments(request))
        try:
            finished = await run(
                self._children, argv, timeout_s=self._look_timeout_s, most_output_bytes=_MOST_OUTPUT_BYTES
            )
        except ModelError as error:
            raise MountError(MountFailure.HELPER_MISSING, error.message) from error
        if finished.status is None:
            raise MountError(MountFailure.TIMED_OUT, f"the root of {host} was not read in {self._look_timeout_s:g} s")
        if finished.status == server_root.NOT_PERMITTED:
            message = f"the agent may not have a mount namespace: {mount_error(finished).message}"
            raise MountError(MountFailure.NOT_PRIVILEGED, message)
        if finished.status != 0:
            raise mount_error(finished)
        # What was cut off for its length has no end.
        return tuple(os.fsdecode(path) for path in finished.stdout.split(b"\0")[:-1])
