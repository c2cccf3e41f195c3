"""The host's mounts, as the model's port has them."""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.mount_failure import MountError
from poolfleet_agent.model.mount_table import MountTable
from poolfleet_agent.model.ports.mounts import Account, Export, MountRequest, ServerProbe
from poolfleet_agent.mounts.detach import Unmounter
from poolfleet_agent.mounts.exports import ExportLister
from poolfleet_agent.mounts.fstab import in_fstab
from poolfleet_agent.mounts.mount import Mounter
from poolfleet_agent.mounts.mountinfo import read_mount_table
from poolfleet_agent.mounts.namespace import shares_namespace_with_libvirt
from poolfleet_agent.mounts.orphans import end_orphans
from poolfleet_agent.mounts.probe import ProbeLimits, ServerProber
from poolfleet_agent.mounts.resolve import Resolver
from poolfleet_agent.mounts.squash import Accounts
from poolfleet_agent.processes.child import Children


class HostMounts:
    """Implements model.ports.Mounts by /proc, sockets and children; holds nothing open between calls.

    `libvirt_sockets`: where libvirt may listen (namespace.libvirt_sockets); `own_folder`: an empty one on which
    servers' roots are looked at, unseen; `allowed_options`: harmful mount options that the configuration lets pools
    have.
    """

    def __init__(
        self,
        children: Children,
        *,
        libvirt_sockets: Sequence[Path],
        own_folder: Path,
        allowed_options: Collection[str] = (),
        probe_limits: ProbeLimits | None = None,
    ) -> None:
        self._libvirt_sockets = libvirt_sockets
        self._resolver = Resolver(children)
        self._prober = ServerProber(self._resolver, probe_limits)
        self._accounts = Accounts(children)
        self._exports = ExportLister(children, self._resolver, own_folder)
        self._mounter = Mounter(children, allowed_options=allowed_options)
        self._unmounter = Unmounter(children, read_mount_table)

    def shares_host_namespace(self) -> bool:
        """Whether what the agent mounts is seen by libvirt: both are in one mount namespace."""
        return shares_namespace_with_libvirt(self._libvirt_sockets)

    async def table(self) -> MountTable:
        """What is mounted, now."""
        return read_mount_table()

    async def addresses(self, host: str) -> Sequence[str]:
        """What a server's name means, asked of the resolver with a limit; empty: unknown or no answer."""
        try:
            return await self._resolver.addresses(host)
        except MountError:
            return ()

    async def qemu_user(self, uid: int | None) -> Account | None:
        """The user that guests run as, whose `uid` may be known: asked with a limit; None: none, or no answer."""
        return await self._accounts.qemu(uid)

    async def probe_server(self, request: MountRequest) -> ServerProbe:
        """Name, TCP, NFS NULL call, and for v3 the export; at most 3 s for a silent server."""
        return await self._prober.probe(request)

    async def exports(self, host: str) -> tuple[Export, ...] | None:
        """What a server says that it exports; None: it does not say. MountError: its name; at most 4 s."""
        return await self._exports.listed(host)

    async def paths_below_root(self, host: str, port: int = 0) -> tuple[str, ...]:
        """What can be mounted of a server of version 4, as its root shows; MountError."""
        return await self._exports.below_root(host, port)

    async def mount(self, request: MountRequest, *, timeout_s: float) -> None:
        """One attempt, as libvirt would mount, ended with its limit, with all that it started: MountError."""
        await self._mounter.mount(request, timeout_s=timeout_s)

    async def kept_by_host(self, target: str) -> bool:
        """Whether the host itself has something on a target: by fstab, by autofs, by a unit's automount."""
        return in_fstab(target) or any(entry.fs_type == "autofs" for entry in read_mount_table().all_on(target))

    async def end_orphans(self, target: str) -> bool:
        """End what an agent that is gone had begun to mount on a target; whether there was any."""
        try:
            return await asyncio.to_thread(end_orphans, target)
        except PermissionError as error:
            message = f"a mount on {target} that was left over may not be ended by the agent's user"
            raise ModelError(Reason.AGENT_NOT_AUTHORIZED, message, metadata={"path": target}) from error

    async def unmount(self, target: str, *, timeout_s: float = 10.0) -> None:
        """Unmount as umount does: ModelError RESOURCE_BUSY, POOL_UNRESPONSIVE."""
        await self._unmounter.unmount(target, timeout_s=timeout_s)

    def forced_off(self, target: str) -> AbstractAsyncContextManager[None]:
        """Get rid of a dead share: off its target at once, what hangs on it ended for as long as the body runs."""
        return self._unmounter.forced_off(target)
