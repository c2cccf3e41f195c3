"""Mounts of the host: reading them, probing a server, one attempt to mount, getting rid of one."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from poolfleet_agent.model.mount_failure import MountFailure
from poolfleet_agent.model.mount_table import MountTable
from poolfleet_agent.model.pool_source import NetfsSource


@dataclass(frozen=True, slots=True, kw_only=True)
class MountRequest:
    """What to mount: the source, the target, and the pool's own options and protocol version."""

    source: NetfsSource
    target: str
    options: tuple[str, ...] = ()
    protocol_version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerResult:
    """One layer of a server's diagnosis: `dns`, `tcp`, `rpc`, `export`; `failure` is a MountFailure or empty."""

    layer: str
    duration_s: float
    failure: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerProbe:
    """What was found out of a server, layer by layer, up to the first that failed; `addresses`: what its name means."""

    layers: tuple[LayerResult, ...]
    addresses: tuple[str, ...]

    @property
    def failed(self) -> LayerResult | None:
        """The layer that failed; None: all is well."""
        return next((layer for layer in self.layers if layer.failure), None)

    @property
    def doubt(self) -> LayerResult | None:
        """The layer that failed, where that is no verdict: a list of exports names no links on the server, and no
        spellings, so only the mount itself can tell that there is no such export."""
        failed = self.failed
        return failed if failed is not None and failed.failure == MountFailure.NO_SUCH_EXPORT else None


@dataclass(frozen=True, slots=True)
class Export:
    """One line of a server's export list: the path, and whom it is for (names, networks; none: everybody)."""

    path: str
    clients: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user of the host, with all groups that it is in."""

    name: str
    uid: int
    gids: tuple[int, ...]


class Mounts(Protocol):
    """The host's mounts. Nothing here touches a path on a network mount from the agent's own process."""

    def shares_host_namespace(self) -> bool:
        """Whether what the agent mounts is seen by libvirt: both are in one mount namespace."""
        ...

    async def table(self) -> MountTable:
        """What is mounted, now."""
        ...

    async def addresses(self, host: str) -> Sequence[str]:
        """What a server's name means, asked of the resolver with a limit; empty: unknown or no answer."""
        ...

    async def qemu_user(self, uid: int | None) -> Account | None:
        """The user that guests run as, whose `uid` may be known: asked with a limit; None: none, or no answer."""
        ...

    async def probe_server(self, request: MountRequest) -> ServerProbe:
        """Name, TCP, NFS NULL call, and for v3 the export; at most 3 s for a silent server."""
        ...

    async def exports(self, host: str) -> tuple[Export, ...] | None:
        """What a server says that it exports; None: it does not say. MountError: its name; at most 4 s."""
        ...

    async def paths_below_root(self, host: str, port: int = 0) -> tuple[str, ...]:
        """What can be mounted of a server of version 4, as its root shows, which is mounted where nobody else sees it.

        `port` 0: NFS's own. MountError.
        """
        ...

    async def mount(self, request: MountRequest, *, timeout_s: float) -> None:
        """One attempt, as libvirt would mount, ended with its limit: MountError.

        Nothing of it goes on when this returns or raises, a cancellation included.
        """
        ...

    async def kept_by_host(self, target: str) -> bool:
        """Whether the host itself has something on a target: by fstab, by autofs, by a unit's automount."""
        ...

    async def end_orphans(self, target: str) -> bool:
        """End what an agent that is gone had begun to mount on a target, and goes on; whether there was any.

        AGENT_NOT_AUTHORIZED.
        """
        ...

    async def unmount(self, target: str, *, timeout_s: float = 10.0) -> None:
        """Unmount as umount does: ModelError RESOURCE_BUSY, POOL_UNRESPONSIVE."""
        ...

    def forced_off(self, target: str) -> AbstractAsyncContextManager[None]:
        """Get rid of a dead share: off its target at once, what hangs on it ended for as long as the body runs.

        POOL_UNRESPONSIVE where the mount stays, AGENT_NOT_AUTHORIZED.
        """
        ...
