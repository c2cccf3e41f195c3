"""What a caller asks a pool to be: any pool type of libvirt's, typed or as XML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from enum import StrEnum

from poolfleet.types.document import document_name
from poolfleet.types.pool_source import (
    DirSource,
    DiskSource,
    FcHostAdapter,
    FsSource,
    GlusterSource,
    IscsiDirectSource,
    IscsiSource,
    LogicalSource,
    MpathSource,
    NetfsSource,
    PoolSource,
    RbdSource,
    ScsiHostAdapter,
    ScsiSource,
    SourceAuth,
    SourceHost,
    VstorageSource,
    ZfsSource,
)
from poolfleet.types.volume import Permissions

USUAL_TARGETS = {
    "disk": "/dev",
    "iscsi": "/dev/disk/by-path",
    "scsi": "/dev/disk/by-path",
    "mpath": "/dev/mapper",
}
"""By pool type: where the host has the device files of the volumes, under names that stay the same."""


class MountOwner(StrEnum):
    """Who made the mount on a pool's target."""

    UNKNOWN = "unknown"
    AGENT = "agent"
    LIBVIRT = "libvirt"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolTarget:
    """Where a pool's volumes are found on the host."""

    path: str = ""
    """Empty where it follows from the source (logical, zfs)."""
    permissions: Permissions | None = None
    """What `build` gives the directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolMount:
    """How an fs or netfs pool is mounted."""

    options: tuple[str, ...] = ()
    """Beyond libvirt's own, each one word, such as `timeo=50`; the order is kept."""
    protocol_version: str = ""
    """Such as `4.2`; empty: negotiated."""
    owner: MountOwner = MountOwner.UNKNOWN
    """Read only."""


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """What a pool is asked to be. With `xml` only the document counts: the other fields but `name` stay unread.

    What is left None or empty is not asked for: libvirt's default when the pool is made, not compared when it exists.
    """

    name: str
    _: KW_ONLY
    uuid: str = ""
    source: PoolSource | None = None
    target: PoolTarget | None = None
    mount: PoolMount | None = None
    cow: bool | None = None
    """Whether files are copied on write, where the file system can; of dir and fs."""
    vendor: str = ""
    """Of the storage device; tells people, and changes nothing. So does `product`."""
    product: str = ""
    xml: str = ""
    """libvirt's own document, passed on untouched."""

    @classmethod
    def netfs(
        cls,
        name: str,
        *,
        host: str,
        path: str,
        target: str,
        format: str = "nfs",  # noqa: A002 (libvirt's word)
        options: Sequence[str] = (),
        protocol_version: str = "",
        permissions: Permissions | None = None,
        uuid: str = "",
    ) -> PoolSpec:
        """Describe the export `path` of the server `host`, mounted on the directory `target`."""
        mounted = bool(options or protocol_version)
        return cls(
            name,
            uuid=uuid,
            source=NetfsSource(host=host, path=path, format=format),
            target=PoolTarget(path=target, permissions=permissions),
            mount=PoolMount(options=tuple(options), protocol_version=protocol_version) if mounted else None,
        )

    @classmethod
    def dir(cls, name: str, *, target: str, permissions: Permissions | None = None, uuid: str = "") -> PoolSpec:
        """Describe the directory `target` of the host."""
        return cls(name, uuid=uuid, source=DirSource(), target=PoolTarget(path=target, permissions=permissions))

    @classmethod
    def fs(
        cls,
        name: str,
        *,
        device: str,
        target: str,
        format: str = "",  # noqa: A002 (libvirt's word)
        options: Sequence[str] = (),
        permissions: Permissions | None = None,
        uuid: str = "",
    ) -> PoolSpec:
        """Describe the file system on `device`, mounted on the directory `target`."""
        return cls(
            name,
            uuid=uuid,
            source=FsSource(device=device, format=format),
            target=PoolTarget(path=target, permissions=permissions),
            mount=PoolMount(options=tuple(options)) if options else None,
        )

    @classmethod
    def logical(cls, name: str, *, source_name: str = "", devices: Sequence[str] = (), uuid: str = "") -> PoolSpec:
        """Describe the volume group `source_name` (empty: called like the pool), which `build` makes of `devices`."""
        return cls(name, uuid=uuid, source=LogicalSource(name=source_name, devices=tuple(devices)))

    @classmethod
    def disk(
        cls,
        name: str,
        *,
        device: str,
        target: str = USUAL_TARGETS["disk"],
        format: str = "",  # noqa: A002 (libvirt's word)
        part_separator: bool | None = None,
        uuid: str = "",
    ) -> PoolSpec:
        """Describe the disk `device`, whose partitions are found in `target`."""
        source = DiskSource(device=device, format=format, part_separator=part_separator)
        return cls(name, uuid=uuid, source=source, target=PoolTarget(path=target))

    @classmethod
    def iscsi(
        cls,
        name: str,
        *,
        host: str | SourceHost,
        device: str,
        target: str = USUAL_TARGETS["iscsi"],
        initiator: str = "",
        auth: SourceAuth | None = None,
        uuid: str = "",
    ) -> PoolSpec:
        """Describe the iSCSI target `device` of the server `host` (`san`, `san:3260`)."""
        source = IscsiSource(host=_host(host), device=device, initiator=initiator, auth=auth)
        return cls(name, uuid=uuid, source=source, target=PoolTarget(path=target))

    @classmethod
    def iscsi_direct(
        cls,
        name: str,
        *,
        host: str | SourceHost,
        device: str,
        initiator: str,
        auth: SourceAuth | None = None,
        uuid: str = "",
    ) -> PoolSpec:
        """Describe the iSCSI target `device` of the server `host`, by libiscsi."""
        source = IscsiDirectSource(host=_host(host), device=device, initiator=initiator, auth=auth)
        return cls(name, uuid=uuid, source=source)

    @classmethod
    def scsi(
        cls,
        name: str,
        *,
        adapter: str | ScsiHostAdapter | FcHostAdapter,
        target: str = USUAL_TARGETS["scsi"],
        uuid: str = "",
    ) -> PoolSpec:
        """Describe the units behind an adapter; a word is the name of a SCSI host."""
        if isinstance(adapter, str):
            adapter = ScsiHostAdapter(name=adapter)
        return cls(name, uuid=uuid, source=ScsiSource(adapter=adapter), target=PoolTarget(path=target))

    @classmethod
    def mpath(cls, name: str, *, target: str = USUAL_TARGETS["mpath"], uuid: str = "") -> PoolSpec:
        """Describe the multipath devices of the host."""
        return cls(name, uuid=uuid, source=MpathSource(), target=PoolTarget(path=target))

    @classmethod
    def rbd(
        cls,
        name: str,
        *,
        hosts: Sequence[str | SourceHost],
        source_name: str,
        auth: SourceAuth | None = None,
        config_options: Mapping[str, str] | None = None,
        volume_allocation: str = "",
        uuid: str = "",
    ) -> PoolSpec:
        """Describe the pool `source_name` of the Ceph cluster whose monitors are `hosts` (`mon1`, `mon1:6789`)."""
        source = RbdSource(
            name=source_name,
            hosts=tuple(_host(host) for host in hosts),
            auth=auth,
            config_options=tuple((config_options or {}).items()),
            volume_allocation=volume_allocation,
        )
        return cls(name, uuid=uuid, source=source)

    @classmethod
    def gluster(
        cls, name: str, *, hosts: Sequence[str | SourceHost], source_name: str = "", path: str = "", uuid: str = ""
    ) -> PoolSpec:
        """Describe the volume `source_name` (empty: called like the pool) of a Gluster cluster, or `path` in it."""
        source = GlusterSource(hosts=tuple(_host(host) for host in hosts), name=source_name, path=path)
        return cls(name, uuid=uuid, source=source)

    @classmethod
    def zfs(cls, name: str, *, source_name: str = "", devices: Sequence[str] = (), uuid: str = "") -> PoolSpec:
        """Describe the zpool `source_name` (empty: called like the pool), which `build` makes of `devices`."""
        return cls(name, uuid=uuid, source=ZfsSource(name=source_name, devices=tuple(devices)))

    @classmethod
    def vstorage(cls, name: str, *, target: str, source_name: str = "", uuid: str = "") -> PoolSpec:
        """Describe the Virtuozzo storage cluster `source_name` (empty: called like the pool), mounted on `target`."""
        return cls(name, uuid=uuid, source=VstorageSource(name=source_name), target=PoolTarget(path=target))

    @classmethod
    def from_xml(cls, xml: str) -> PoolSpec:
        """Take libvirt's `<pool>` document as it is. Raises InvalidArgument where it is malformed or nameless."""
        return cls(document_name(xml, "pool"), xml=xml)


def _host(host: str | SourceHost) -> SourceHost:
    return SourceHost.parse(host) if isinstance(host, str) else host
