"""One connection to libvirt: opened with a keepalive, closed with all that was registered on it."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

import libvirt

KEEPALIVE_INTERVAL_S = 2
KEEPALIVE_COUNT = 3
"""A daemon that answers none of so many is given up, and with it every call that waits for it."""


@dataclass(slots=True, eq=False)
class Handle:
    """One connection. `retired`: no longer used, to be closed by the call that leaves it last.

    `server`: the server that its calls may hang on, as far as it has any now; None: on none.
    """

    connection: libvirt.virConnect
    undo: list[Callable[[], object]] = field(default_factory=list)
    calls: int = 0
    server: str | None = None
    retired: bool = False

    def close(self) -> None:
        """Take back what was registered, and disconnect. Blocks for as long as libvirt does not answer."""
        for step in (*self.undo, self.connection.close):
            # A connection that broke says so at each step, and is closed all the same.
            with contextlib.suppress(libvirt.libvirtError):
                step()


def connect(uri: str) -> Handle:
    """Open a connection: libvirtError. Blocks for as long as libvirt does not answer."""
    connection = libvirt.open(uri)
    try:
        connection.setKeepAlive(KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT)
    except libvirt.libvirtError as error:
        # libvirt's test driver runs in this process and has nothing to keep alive.
        if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
            raise
    return Handle(connection)


def dotted(version: int) -> str:
    """A version as people write it."""
    return f"{version // 1_000_000}.{version // 1000 % 1000}.{version % 1000}"


def client_version() -> str:
    """libvirt's library in this process."""
    return dotted(libvirt.getVersion())
