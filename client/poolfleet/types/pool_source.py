"""What pools take their volumes from: one class for each of libvirt's pool types.

Empty, 0 and None: not stated. What a class calls `path` stands in libvirt's `<dir>`.
"""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass

_HOST_AND_PORT = re.compile(r"(\[[^\]]*\]|[^:\[\]]+):([0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class SourceHost:
    """A server."""

    name: str
    """Name or address; IPv6 without brackets, which libvirt adds."""
    _: KW_ONLY
    port: int = 0
    """0: the usual one. libvirt's iscsi-direct needs it beside an IPv6 address."""

    @classmethod
    def parse(cls, text: str) -> SourceHost:
        """Read `mon1`, `mon1:6789`, `[fd00::1]:6789` or `fd00::1`."""
        found = _HOST_AND_PORT.fullmatch(text)
        name, port = (found[1], int(found[2])) if found else (text, 0)
        return cls(name[1:-1] if name.startswith("[") and name.endswith("]") else name, port=port)

    def __str__(self) -> str:
        if not self.port:
            return self.name
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceAuth:
    """Who logs in to the server of a pool. The password or key is a secret of libvirt's, named by one of the two."""

    username: str
    secret_usage: str = ""
    secret_uuid: str = ""
    type: str = ""
    """`chap` or `ceph`; empty: the one that fits the pool type."""


@dataclass(frozen=True, slots=True)
class DirSource:
    """A directory of the host: all there is to say stands in the target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetfsSource:
    """An export of a network file server."""

    host: str
    """Name or address; IPv6 in brackets."""
    path: str
    """Absolute path of the export on the server."""
    format: str = "nfs"
    """`nfs`, `cifs` or `glusterfs`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FsSource:
    """A file system on a block device."""

    device: str
    format: str = ""
    """Such as `ext4`; empty: mount finds out. `build` needs it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogicalSource:
    """A volume group of LVM."""

    name: str = ""
    """Of the volume group; empty: the pool's."""
    devices: tuple[str, ...] = ()
    """What `build` makes it of."""
    format: str = ""
    """`lvm2`, also meant by empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskSource:
    """A disk with a partition table."""

    device: str
    format: str = ""
    """Such as `gpt` or `dos`; empty: not known. `build` needs it."""
    part_separator: bool | None = None
    """Whether the names of partitions have a `p` before their number; for device mapper's disks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IscsiSource:
    """A target of an iSCSI server, by the host's own initiator."""

    host: SourceHost
    device: str
    """Name of the target, such as `iqn.2013-06.com.example:pool`."""
    initiator: str = ""
    """Name that the host logs in with; empty: the host's own."""
    auth: SourceAuth | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IscsiDirectSource:
    """A target of an iSCSI server, by libiscsi and without the kernel."""

    host: SourceHost
    device: str
    """Name of the target."""
    initiator: str
    """Name that the host logs in with."""
    auth: SourceAuth | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScsiHostAdapter:
    """A SCSI host: by its name, or by where it is plugged in, which stays the same over boots."""

    name: str = ""
    """Such as `scsi_host1`."""
    parent_address: str = ""
    """PCI address of its parent, such as `0000:00:1f.2`."""
    unique_id: int = 0
    """With `parent_address`: which of the hosts there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FcHostAdapter:
    """A virtual Fibre Channel adapter; its parent is named, or found by WWNs or fabric, or else by libvirt."""

    wwnn: str
    wwpn: str
    parent: str = ""
    """Such as `scsi_host3`."""
    parent_wwnn: str = ""
    parent_wwpn: str = ""
    parent_fabric_wwn: str = ""
    managed: bool | None = None
    """Whether libvirt removes the adapter when the pool stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScsiSource:
    """The units behind an adapter."""

    adapter: ScsiHostAdapter | FcHostAdapter


@dataclass(frozen=True, slots=True)
class MpathSource:
    """The multipath devices of the host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RbdSource:
    """A pool of a Ceph cluster."""

    name: str
    """Of Ceph's pool."""
    hosts: tuple[SourceHost, ...]
    """Monitors of the cluster."""
    auth: SourceAuth | None = None
    config_options: tuple[tuple[str, str], ...] = ()
    """Options of librados, each with its value."""
    volume_allocation: str = ""
    """`capacity`: a refresh takes it for a volume's allocation; `default`, also meant by empty: computes that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GlusterSource:
    """A volume of a Gluster cluster, or a directory in one."""

    hosts: tuple[SourceHost, ...]
    name: str = ""
    """Of Gluster's volume; empty: the pool's."""
    path: str = ""
    """Absolute path of a directory in it; empty: its root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZfsSource:
    """A zpool, or a dataset of one."""

    name: str = ""
    """Empty: the pool's."""
    devices: tuple[str, ...] = ()
    """What `build` makes the zpool of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VstorageSource:
    """A Virtuozzo storage cluster."""

    name: str = ""
    """Empty: the pool's."""


PoolSource = (
    DirSource
    | NetfsSource
    | FsSource
    | LogicalSource
    | DiskSource
    | IscsiSource
    | IscsiDirectSource
    | ScsiSource
    | MpathSource
    | RbdSource
    | GlusterSource
    | ZfsSource
    | VstorageSource
)

SOURCES: dict[str, type[PoolSource]] = {
    "dir": DirSource,
    "netfs": NetfsSource,
    "fs": FsSource,
    "logical": LogicalSource,
    "disk": DiskSource,
    "iscsi": IscsiSource,
    "iscsi-direct": IscsiDirectSource,
    "scsi": ScsiSource,
    "mpath": MpathSource,
    "rbd": RbdSource,
    "gluster": GlusterSource,
    "zfs": ZfsSource,
    "vstorage": VstorageSource,
}
"""By libvirt's name of the pool type; others have no typed form."""
