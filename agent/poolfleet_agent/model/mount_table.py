"""The host's mounts as the kernel lists them, and whether what lies on a target is what belongs there."""

import ipaddress
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from poolfleet_agent.model.allowed_paths import is_within
from poolfleet_agent.model.compare import clean_path
from poolfleet_agent.model.mount_options import enforces_locks
from poolfleet_agent.model.pool_source import NetfsSource

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

    @property
    def identity(self) -> tuple[int, str]:
        """What tells this mount from all others, of one source on one target too."""
        return self.mount_id, self.device

    def option(self, name: str) -> str | None:
        """The value of `name=value`; empty for a bare word; None: not there."""
        for option in (*self.super_options, *self.options):
            key, _, value = option.partition("=")
            if key == name:
                return value
        return None

    @property
    def network(self) -> bool:
        """Whether calls on it may hang on a server. Sources like `host:/path` and `//host/share` tell it too."""
        return self.fs_type in NETWORK_FS_TYPES or ":/" in self.source or self.source.startswith("//")

    @property
    def enforces_locks(self) -> bool:
        """Whether qemu's locks keep qemu from writing there."""
        return enforces_locks(self.fs_type, (*self.super_options, *self.options))

    @property
    def host(self) -> str:
        """The server as the source names it; empty: it names none."""
        return _split(self.source)[0].strip("[]")

    @property
    def address(self) -> str:
        """The server's address, where the kernel states it (`addr=`); else the host that the source names."""
        return self.option("addr") or self.host

    @property
    def export(self) -> str:
        """The export's path, with the directory below it that a bind or a shared superblock shows."""
        export = clean_path("/" + _split(self.source)[1])
        # NFS names the directory in the source already: of `server:/` with fsid 0, `/export` is shown as
        # `server:/export` with the root `/export`.
        if self.fs_type in {"nfs", "nfs4"} or self.root in {"", "/"}:
            return export
        return clean_path(f"{export}/{self.root.lstrip('/')}")

    def exported(self, path: str) -> str:
        """What a path below its target is called on the server."""
        below = clean_path(path).removeprefix(self.target.rstrip("/")).lstrip("/")
        return clean_path(f"{self.export}/{below}")

    def same_server(self, other: "MountEntry") -> bool:
        """Whether both mounts show the file systems of one server: by its address, or as the kernel has them as one."""
        return self.device == other.device or normal_address(self.address) == normal_address(other.address)


@dataclass(frozen=True)
class MountTable:
    """All mounts of a namespace, in the kernel's order. One is asked about many paths, so it is searched once."""

    entries: Sequence[MountEntry]

    def on(self, target: str) -> MountEntry | None:
        """What is mounted on exactly this target, and to be seen there: the top one."""
        wanted = clean_path(target)
        found = self.holding(wanted)
        return found if found is not None and found.target == wanted else None

    def all_on(self, target: str) -> tuple[MountEntry, ...]:
        """Everything that is mounted on exactly this target, hidden ones too."""
        wanted = clean_path(target)
        return tuple(entry for entry in self.entries if entry.target == wanted)

    def new_on(self, target: str, before: "MountTable") -> tuple[MountEntry, ...]:
        """What is mounted on exactly this target and was not in a table that is older."""
        known = {entry.identity for entry in before.all_on(target)}
        return tuple(entry for entry in self.all_on(target) if entry.identity not in known)

    def holding(self, path: str) -> MountEntry | None:
        """The mount that a path lies on, found as the kernel walks: what another mount hides is not met."""
        wanted = clean_path(path)
        ids = {entry.mount_id for entry in self.entries}
        # In a chroot, the mount that the root lies on is not listed.
        here = [entry for entry in self.entries if entry.parent_id not in ids or entry.parent_id == entry.mount_id]
        found = None
        while met := [entry for entry in here if is_within(wanted, entry.target) and entry is not found]:
            found = min(met, key=lambda entry: len(entry.target))
            here = [entry for entry in self.entries if entry.parent_id == found.mount_id]
        return found

    def network(self) -> tuple[MountEntry, ...]:
        """All network mounts."""
        return self._network

    @cached_property
    def _network(self) -> tuple[MountEntry, ...]:
        return tuple(entry for entry in self.entries if entry.network)


class Proof(StrEnum):
    """What the mount table says of a target."""

    RIGHT = "RIGHT"
    UNMOUNTED = "UNMOUNTED"
    WRONG_SHARE = "WRONG_SHARE"


def prove(table: MountTable, target: str, source: NetfsSource, addresses: Collection[str]) -> Proof:
    """Decide whether the pool's share is on its target: by export path and server address, never by spelling.

    `addresses`: what the source's host resolves to, and what the kernel stated when this source was mounted: a
    server with two addresses may be known to it by the other one. The host's own spelling always counts too.
    """
    entry = table.on(target)
    if entry is None:
        return Proof.UNMOUNTED
    if not entry.network:
        return Proof.WRONG_SHARE
    export, wanted = entry.export, clean_path("/" + source.path)
    if source.format == "cifs":
        export, wanted = export.lower(), wanted.lower()
    known = {normal_address(address) for address in (*addresses, source.host)}
    return Proof.RIGHT if export == wanted and normal_address(entry.address) in known else Proof.WRONG_SHARE


def prove_made(
    before: MountTable, after: MountTable, target: str, source: NetfsSource, addresses: Collection[str]
) -> Proof:
    """Decide the same right after the source was mounted by ourselves, and mount said that it was.

    The one mount that is new there is of the server that was asked, whatever its address: the kernel finds that two
    addresses are one server (NFS 4.1 trunking), and shows the one that it knew first. The export must be right all the
    same. Where nothing is new, or more than one mount, somebody else was at it too, and the addresses count.
    """
    new = after.new_on(target, before)
    made = [entry.address for entry in new] if len(new) == 1 and new[0] == after.on(target) else []
    return prove(after, target, source, (*addresses, *made))


def _split(source: str) -> tuple[str, str]:
    """Server and path of `host:/path`, `[address]:/path`, `//host/share`; no server in anything else."""
    if source.startswith("//"):
        host, _, path = source.removeprefix("//").partition("/")
        return host, path
    host, colon, path = source.partition(":/")
    return (host, path) if colon else ("", source)


def normal_address(address: str) -> str:
    """One spelling of an address; names in lower case."""
    bare = address.strip("[]").lower()
    try:
        parsed = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return bare.rstrip(".")
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)
