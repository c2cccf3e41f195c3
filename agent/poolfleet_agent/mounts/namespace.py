"""Whether the agent and libvirt are in one mount namespace: what one mounts in another, the other does not see.

The libvirt that counts is the one that listens on the socket: on an ordinary host it shares the namespace of process
1, beside an embedded libvirtd the agent may share one of their own with it.
"""

import contextlib
import os
import socket
import struct
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from poolfleet_agent.mounts.process_table import INIT_PID

_PEER = struct.Struct("3i")


def shares_namespace_with_libvirt(sockets: Sequence[Path]) -> bool:
    """Compare with who listens on the first of the sockets that accepts; with process 1 where none does.

    systemd, which may listen in libvirt's stead, is process 1. False also where it can not be known, as for an
    ordinary user, who can not mount either.
    """
    peer = next((pid for path in sockets if (pid := listener(path)) is not None), INIT_PID)
    return in_our_namespace(peer)


def in_our_namespace(pid: int) -> bool:
    """Whether a process has the agent's mount namespace; False also where it can not be known."""
    try:
        return os.readlink("/proc/self/ns/mnt") == os.readlink(f"/proc/{pid}/ns/mnt")
    except OSError:
        return False


def libvirt_sockets(uri: str) -> tuple[Path, ...]:
    """Where the daemon of a libvirt URI listens, likeliest first; none for a URI that has no local daemon."""
    parts = urlsplit(uri)
    if parts.netloc or parts.scheme not in {"qemu", "storage", "qemu+unix", "storage+unix"}:
        return ()
    if stated := parse_qs(parts.query).get("socket"):
        return (Path(stated[0]),)
    run = Path("/run")
    if parts.path == "/session":
        run = Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}")
    own = "virtstoraged-sock" if parts.scheme.startswith("storage") else "virtqemud-sock"
    return (run / "libvirt" / own, run / "libvirt/libvirt-sock")


def listener(path: Path) -> int | None:
    """The process that listens; 0 where it is in a namespace of processes that is not ours; None: nobody does."""
    # A daemon that hangs has a full backlog, and connecting would wait for it.
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.setblocking(False)
        connection.connect(str(path))
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
        return int(_PEER.unpack(credentials)[0])
    return None
