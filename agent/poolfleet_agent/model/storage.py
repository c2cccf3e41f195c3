"""Which storage lies behind a pool: a configured id first, then that of its marker, else one derived from what it is.

A derived id has to be the same on every host that sees the storage. What hosts may spell differently stands in the
aliases, all of them: by them the ids of one storage are joined. An id that could be another storage's too is local.
"""

import ipaddress
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from poolfleet_agent.model.compare import clean_path
from poolfleet_agent.model.mount_table import NETWORK_FS_TYPES, MountEntry, normal_address
from poolfleet_agent.model.pool import Fingerprint, PoolDefinition, Signs, Storage, StorageIdSource
from poolfleet_agent.model.pool_source import (
    GlusterSource,
    IscsiDirectSource,
    IscsiSource,
    NetfsSource,
    RbdSource,
    SourceHost,
)

MARKER_FOLDER = ".poolfleet"
"""In the root directory of an adopted storage; never a volume."""

MARKER = f"{MARKER_FOLDER}/storage-id"

LONGEST_MARKER_BYTES = 64

FINGERPRINT_FILES = 20
MOST_NAMES = 50_000
"""A directory of more names is not looked at for its fingerprint."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_FS_SCHEMES = {
    "nfs": "nfs",
    "nfs4": "nfs",
    "cifs": "cifs",
    "smb3": "cifs",
    "ceph": "ceph",
    "glusterfs": "gluster",
    "fuse.glusterfs": "gluster",
}
_FORMAT_SCHEMES = {"cifs": "cifs", "glusterfs": "gluster"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredStorage:
    """One `[[storages]]` of the configuration: the id of what lies at a target, or behind a source (`host:/path`)."""

    id: str
    path: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A directory on a server. `servers`: every name and address of it that is known, the one to call it by first."""

    scheme: str
    servers: tuple[str, ...]
    path: str

    @property
    def ids(self) -> tuple[str, ...]:
        """Its spellings, each once: `nfs:10.0.0.5/export/vm`."""
        path = self.path.lower() if self.scheme == "cifs" else self.path
        below = clean_path(path).lstrip("/")
        return tuple(dict.fromkeys(f"{self.scheme}:{_spelt(server)}/{below}" for server in self.servers))


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSeen:
    """What is known of a pool's target. All of it may be missing.

    `real_path` has no symbolic links; `filesystem_id` is a local file system's; `mount` is the network mount below, if
    it is the right one; `addresses` are what servers' names mean; `marker` is a valid one.
    """

    real_path: str = ""
    filesystem_id: str = ""
    mount: MountEntry | None = None
    addresses: Mapping[str, Sequence[str]] = field(default_factory=dict)
    marker: str = ""
    fingerprint: Fingerprint | None = None
    signs: Signs | None = None


def storage_of(
    definition: PoolDefinition,
    target: TargetSeen,
    *,
    agent_id: str,
    configured: Sequence[ConfiguredStorage] = (),
    before: Storage | None = None,
) -> Storage | None:
    """Identify the storage behind a pool; None while too little is known.

    `before`: what it was taken for. Of the spellings of a share that is not mounted, that one stays its id.
    """
    ids = tuple(dict.fromkeys(_derived(definition, target, agent_id)))
    if target.mount is None and before is not None and before.id in ids:
        ids = (before.id, *(other for other in ids if other != before.id))
    if entry := _configured(definition, target, ids, configured):
        chosen, source = entry.id, StorageIdSource.CONFIGURED
    elif target.marker:
        chosen, source = target.marker, StorageIdSource.MARKER
    elif ids:
        chosen, source = ids[0], StorageIdSource.DERIVED
    else:
        return None
    aliases = tuple(other for other in ids if other != chosen)
    return Storage(id=chosen, source=source, aliases=aliases, fingerprint=target.fingerprint, signs=target.signs)


def share_filesystem_id(mount: MountEntry, agent_id: str) -> str:
    """Name what a network mount shows as one disk: the share's own id, the same for all folders on it."""
    share = _mounted(mount)
    return share.ids[0] if share is not None else _unshared(mount, agent_id)


def server_names(definition: PoolDefinition, mount: MountEntry | None) -> tuple[str, ...]:
    """Names of servers, and addresses, whose addresses belong to the identity of a pool."""
    names = [] if (share := _defined(definition)) is None else [*share.servers]
    if mount is not None and mount.host:
        names.append(mount.host)
    return tuple(dict.fromkeys(normal_address(name) for name in names))


def marker_id(content: bytes) -> str | None:
    """Read a marker: a UUID, and nothing else. None: it is not to be trusted."""
    text = content.decode("ascii", "replace").strip().lower()
    return text if is_uuid(text) else None


def is_uuid(text: str) -> bool:
    """Whether a text is a UUID as agents write them: in lower case, with dashes."""
    return _UUID.fullmatch(text) is not None


def has_servers_inodes(mount: MountEntry | None) -> bool:
    """Whether inode numbers below are the server's own, and so the same on every host; those of most others are not."""
    if mount is None or mount.fs_type in {"nfs", "nfs4", "ceph", "fuse.glusterfs", "glusterfs"}:
        return True
    if mount.fs_type in {"cifs", "smb3"}:
        return mount.option("serverino") is not None
    return mount.fs_type not in NETWORK_FS_TYPES and not mount.fs_type.startswith("fuse")


def _derived(definition: PoolDefinition, target: TargetSeen, agent_id: str) -> Iterator[str]:
    mounted = _mounted(target.mount) if target.mount is not None else None
    defined = _defined(definition)
    if mounted is not None and target.mount is not None:
        below = posixpath.relpath(target.real_path, target.mount.target) if target.real_path else "."
        yield from _spellings(mounted, target.addresses, below)
    elif target.mount is not None and defined is None:
        yield f"{_unshared(target.mount, agent_id)}:{target.real_path}"
    if defined is not None:
        yield from _spellings(defined, target.addresses, ".", addresses_first=mounted is None)
    elif target.mount is None and target.filesystem_id and target.real_path:
        yield f"host:{agent_id}:{target.filesystem_id}:{target.real_path}"


def _spellings(
    share: Share, addresses: Mapping[str, Sequence[str]], below: str, *, addresses_first: bool = False
) -> Iterator[str]:
    """All ids of a folder on a share: by its servers as they are spelt, and by their addresses, in a fixed order."""
    known = {normal_address(one) for server in share.servers for one in addresses.get(normal_address(server), ())}
    resolved = sorted(known, key=_address_order)
    servers = (*resolved, *share.servers) if addresses_first else (*share.servers, *resolved)
    yield from Share(scheme=share.scheme, servers=servers, path=posixpath.join(share.path, below)).ids


def _mounted(mount: MountEntry) -> Share | None:
    """The share of a mount, its address first; None: its source is no name that means the same on every host."""
    if mount.fs_type in NETWORK_FS_TYPES:
        scheme = _FS_SCHEMES.get(mount.fs_type, "")
    else:
        scheme = "cifs" if mount.source.startswith("//") else "nfs"
    if not scheme or (mount.fs_type.startswith("fuse.") and scheme != "gluster"):
        return None
    servers: tuple[str, ...] = (mount.address, mount.host)
    path = mount.export
    if scheme == "ceph":
        servers, path = _ceph(mount)
    elif scheme == "gluster" and not mount.host:
        host, _, path = mount.source.partition(":")
        servers = (host,)
    named = tuple(server for server in servers if server)
    return Share(scheme=scheme, servers=named, path=path) if named else None


def _ceph(mount: MountEntry) -> tuple[tuple[str, ...], str]:
    """Servers and path of `mon1,mon2:6789:/path`; of `user@cluster.fs=/path`, where the cluster is the server."""
    name, equals, path = mount.source.partition("=/")
    if equals:
        return (name.rpartition("@")[2],), posixpath.join("/", path, mount.root.lstrip("/"))
    return tuple(sorted(re.sub(r":\d+$", "", monitor) for monitor in mount.host.split(","))), mount.export


def _unshared(mount: MountEntry, agent_id: str) -> str:
    return f"host:{agent_id}:{mount.fs_type}:{mount.source}"


def _defined(definition: PoolDefinition) -> Share | None:
    """The share that a definition names."""
    match definition.source:
        case NetfsSource() as source:
            scheme = _FORMAT_SCHEMES.get(source.format or "", "nfs")
            return Share(scheme=scheme, servers=(source.host,), path="/" + source.path)
        case IscsiSource(host=host, device=device) | IscsiDirectSource(host=host, device=device):
            return Share(scheme="iscsi", servers=(host.name,), path=device)
        case RbdSource(hosts=hosts, name=name):
            return Share(scheme="rbd", servers=_names(hosts), path=name)
        case GlusterSource(hosts=hosts, name=volume, path=path):
            below = posixpath.join(volume or definition.name, (path or "").strip("/"))
            return Share(scheme="gluster", servers=_names(hosts), path=below)
    return None


def _names(hosts: Sequence[SourceHost]) -> tuple[str, ...]:
    return tuple(sorted(host.name for host in hosts))


def _configured(
    definition: PoolDefinition, target: TargetSeen, ids: Sequence[str], configured: Sequence[ConfiguredStorage]
) -> ConfiguredStorage | None:
    paths = {path for path in (target.real_path, clean_path(definition.target_path or "")) if path}
    places = {one.partition(":")[2] for one in ids}
    for entry in configured:
        if entry.path and clean_path(entry.path) in paths:
            return entry
        if entry.source and _place(entry.source) in places:
            return entry
    return None


def _place(source: str) -> str:
    """`host:/path` as an id has it after its scheme."""
    host, colon, path = source.partition(":/")
    if not colon:
        host, _, path = source.rpartition(":")
    return f"{_spelt(host)}/{clean_path(path).strip('/')}"


def _spelt(server: str) -> str:
    """One spelling of a server; an IPv6 address in brackets."""
    normal = normal_address(server)
    return f"[{normal}]" if ":" in normal else normal


def _address_order(address: str) -> tuple[int, int]:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return 99, 0
    return parsed.version, int(parsed)
