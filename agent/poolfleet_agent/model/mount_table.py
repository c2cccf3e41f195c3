"""The host's mounts as the kernel lists them, and whether what lies on a target is what belongs there."""

import ipaddress
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from poolfleet_agent.model.allowed_paths import is_within
from poolfleet_agent.model.compare import clean_path
from poolfleet_agent.model.pool import NetfsSource

NETWORK_FS_TYPES = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "ceph", "fuse.glusterfs", "fuse.sshfs", "9p", "afs", "lustre", "glusterfs", "ocfs2"}
)
"""Types of file systems whose calls may hang on a server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MountEntry:
    """One line of mountinfo. `source` is the spelling that the kernel saw first; `options` are the superblock's too."""

    mount_id: int
    parent_id: int
    device: str
    root: str
    target: str
    fs_type: str
    source: str
    options: tuple[str, ...]
    super_options: tuple[str, ...]

    def option(self, name: str) -> str | None:
        """The value of `name=value`; empty for a bare word; None: not there."""
        for option in (*self.super_options, *self.options):
            key, _, value = option.partition("=")
            if key == name:
                return value
        return None

    @property
    def network(self) -> bool:
        """Whether calls on it may hang on a server. A source like `host:/path` tells it too: stand-ins have it."""
        return self.fs_type in NETWORK_FS_TYPES or ":/" in self.source

    @property
    def address(self) -> str:
        """The server's address, where the kernel states it (`addr=`); else the host that the source names."""
        stated = self.option("addr")
        if stated:
            return stated
        host, _, _ = self.source.rpartition(":/")
        return host.strip("[]")

    @property
    def export(self) -> str:
        """The export's path, with the directory below it that a bind or a shared superblock shows."""
        _, _, path = self.source.rpartition(":/")
        export = clean_path("/" + path)
        return export if self.root in {"", "/"} else clean_path(f"{export}/{self.root.lstrip('/')}")


@dataclass(frozen=True, slots=True)
class MountTable:
    """All mounts, in the kernel's order: of several on one target the last is on top."""

    entries: Sequence[MountEntry]

    def on(self, target: str) -> MountEntry | None:
        """What is mounted on exactly this target, the top one."""
        wanted = clean_path(target)
        return next((entry for entry in reversed(self.entries) if entry.target == wanted), None)

    def holding(self, path: str) -> MountEntry | None:
        """The mount that a path lies on."""
        best: MountEntry | None = None
        for entry in self.entries:
            if is_within(path, entry.target) and (best is None or len(entry.target) >= len(best.target)):
                best = entry
        return best

    def network(self) -> tuple[MountEntry, ...]:
        """All network mounts."""
        return tuple(entry for entry in self.entries if entry.network)


class Proof(StrEnum):
    """What the mount table says of a target."""

    RIGHT = "RIGHT"
    UNMOUNTED = "UNMOUNTED"
    WRONG_SHARE = "WRONG_SHARE"


def prove(table: MountTable, target: str, source: NetfsSource, addresses: Collection[str]) -> Proof:
    """Decide whether the pool's share is on its target: by export path and server address, never by spelling.

    `addresses`: what the source's host resolves to; the host's own spelling always counts too.
    """
    entry = table.on(target)
    if entry is None:
        return Proof.UNMOUNTED
    if not entry.network:
        return Proof.WRONG_SHARE
    if source.format == "cifs":
        wanted = f"//{source.host.lower()}/{source.path.strip('/')}"
        return Proof.RIGHT if clean_path(entry.source.lower()) == clean_path(wanted.lower()) else Proof.WRONG_SHARE
    known = {normal_address(address) for address in (*addresses, source.host.strip("[]"))}
    same_server = normal_address(entry.address) in known
    return Proof.RIGHT if same_server and entry.export == clean_path(source.path) else Proof.WRONG_SHARE


def normal_address(address: str) -> str:
    """One spelling of an address; names in lower case."""
    bare = address.strip("[]").lower()
    try:
        parsed = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return bare.rstrip(".")
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)
