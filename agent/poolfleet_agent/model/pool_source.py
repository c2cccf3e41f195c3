"""What pools take their volumes from: one class for each of libvirt's pool types.

None, and an empty tuple: not stated. Names are libvirt's own, but `path` for what `<dir>` holds.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceHost:
    """A server. IPv6 addresses stand without brackets, which libvirt adds."""

    name: str
    port: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceAuth:
    """Who logs in to the server. `secret_uuid` or `secret_usage` names a secret of libvirt; its value is never here."""

    type: str
    username: str
    secret_uuid: str | None = None
    secret_usage: str | None = None


@dataclass(frozen=True, slots=True)
class DirSource:
    """Pool type dir: all there is to say stands in the target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetfsSource:
    """Pool type netfs: server, absolute export path, and libvirt's format (`nfs`, `cifs`, `glusterfs`, `auto`)."""

    host: str
    path: str
    format: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FsSource:
    """Pool type fs: a block device, and the file system on it."""

    device: str
    format: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogicalSource:
    """Pool type logical: a volume group (None: called like the pool), and the devices that BuildPool makes it of."""

    name: str | None = None
    devices: tuple[str, ...] = ()
    format: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskSource:
    """Pool type disk: a disk with its partition table. `part_separator`: whether a `p` stands before the numbers."""

    device: str
    format: str | None = None
    part_separator: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IscsiSource:
    """Pool type iscsi: `device` is the target's name, `initiator` the one that this host logs in with."""

    host: SourceHost
    device: str
    initiator: str | None = None
    auth: SourceAuth | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IscsiDirectSource:
    """Pool type iscsi-direct: as iscsi, without the kernel; libvirt asks for an initiator."""

    host: SourceHost
    device: str
    initiator: str
    auth: SourceAuth | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScsiHostAdapter:
    """A SCSI host by its name, or by its parent's PCI address (`0000:00:1f.2`) and its number there."""

    name: str | None = None
    parent_address: str | None = None
    unique_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FcHostAdapter:
    """A virtual Fibre Channel adapter. Its parent is told by name, by WWNN and WWPN, or by the fabric's WWN."""

    wwnn: str
    wwpn: str
    parent: str | None = None
    parent_wwnn: str | None = None
    parent_wwpn: str | None = None
    parent_fabric_wwn: str | None = None
    managed: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScsiSource:
    """Pool type scsi: the units behind an adapter."""

    adapter: ScsiHostAdapter | FcHostAdapter


@dataclass(frozen=True, slots=True)
class MpathSource:
    """Pool type mpath: all multipath devices of the host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RbdSource:
    """Pool type rbd: `name` is Ceph's pool. `volume_allocation` is how a refresh finds it: `default` or `capacity`."""

    name: str
    hosts: tuple[SourceHost, ...]
    auth: SourceAuth | None = None
    config_options: tuple[tuple[str, str], ...] = ()
    volume_allocation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GlusterSource:
    """Pool type gluster: a volume (None: called like the pool), and a directory in it (None: its root)."""

    hosts: tuple[SourceHost, ...]
    name: str | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ZfsSource:
    """Pool type zfs: a zpool or dataset (None: called like the pool), and the devices that BuildPool makes it of."""

    name: str | None = None
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VstorageSource:
    """Pool type vstorage: a Virtuozzo storage cluster (None: called like the pool)."""

    name: str | None = None


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


def local_devices(source: PoolSource | None) -> tuple[str, ...]:
    """The host's devices that a source names."""
    match source:
        case FsSource(device=device) | DiskSource(device=device):
            return (device,)
        case LogicalSource(devices=devices) | ZfsSource(devices=devices):
            return devices
    return ()
