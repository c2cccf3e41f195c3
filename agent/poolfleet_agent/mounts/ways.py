"""How the mount of a share would reach its server, as its protocol version and options say (nfs(5), mount.cifs(8))."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

from poolfleet_agent.model.mount_options import option_value, single_options
from poolfleet_agent.model.ports.mounts import MountRequest
from poolfleet_agent.mounts.nfs_rpc import NFS_PORT

_BARE_VERSION = re.compile(r"v([234](?:\.\d)?)")
_CIFS_PORT = 445
_GLUSTER_PORT = 24007


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """Port and major NFS versions, in the order in which mount tries them; none for what is no NFS.

    `tcp` is false for NFS over UDP or RDMA, which are not probed; a `stated_port` is used without asking rpcbind;
    `ask_exports`: whether a server of version 3 can be asked for its exports where mount asks for the share.
    """

    port: int
    stated_port: bool = False
    versions: tuple[int, ...] = ()
    tcp: bool = True
    mountd_port: int = 0
    ask_exports: bool = True
    family: int = 0
    """4 or 6 where the transport's name says it; else 0."""

    def usable(self, addresses: Sequence[str]) -> tuple[str, ...]:
        """Those of a server's addresses that mount would use; all, where it could use none."""
        wanted = tuple(one for one in addresses if self.family in {0, ipaddress.ip_address(one).version})
        return wanted or tuple(addresses)


def ways_of(request: MountRequest) -> Ways:
    """Read a request."""
    options = request.options
    port = _number(option_value(options, "port"))
    match request.source.format:
        case "cifs":
            return Ways(port=port or _CIFS_PORT)
        case "glusterfs":
            return Ways(port=_GLUSTER_PORT)
        case _:
            transport = _transport(options)
            mount_protocol = option_value(options, "mountproto") or transport
            return Ways(
                port=port or NFS_PORT,
                stated_port=port > 0,
                versions=_versions(options, request.protocol_version),
                tcp=transport in {"", "tcp", "tcp6"},
                mountd_port=_number(option_value(options, "mountport")),
                ask_exports=mount_protocol in {"", "tcp", "tcp6"}
                and option_value(options, "mountaddr", "mounthost") is None,
                family={"tcp": 4, "tcp6": 6}.get(transport, 0),
            )


def _versions(options: Sequence[str], protocol_version: str) -> tuple[int, ...]:
    bare = next((found[1] for option in single_options(options) if (found := _BARE_VERSION.fullmatch(option))), "")
    stated = option_value(options, "nfsvers", "vers") or bare or protocol_version
    major = _number(stated.partition(".")[0])
    return (major,) if major else (4, 3)


def _transport(options: Sequence[str]) -> str:
    bare = next((option for option in single_options(options) if option in {"tcp", "udp", "rdma"}), "")
    return option_value(options, "proto") or ("" if bare == "tcp" else bare)


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() else 0
