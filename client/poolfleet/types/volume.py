"""Storage volumes: what a caller asks for (VolumeSpec, CloneSpec) and what an agent knows (Volume)."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from datetime import datetime

from poolfleet.types.deferred import Deferred
from poolfleet.types.document import document_name
from poolfleet.types.secret import SecretRef
from poolfleet.types.snapshot import Revision


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """Owner, group, mode and label of a file or directory. None: libvirt's default."""

    mode: int | None = None
    """POSIX mode bits, such as 0o711."""
    owner: int | None = None
    """Numeric user id."""
    group: int | None = None
    """Numeric group id."""
    label: str = ""
    """SELinux or AppArmor label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackingStore:
    """What a copy-on-write volume lies on."""

    path: str
    format: str = ""
    """In libvirt's spelling; empty: not stated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeEncryption:
    """How a volume is encrypted: with a secret of usage type `volume` that the host already has."""

    secret: SecretRef
    format: str = "luks"
    """In libvirt's spelling; luks is the only one that libvirt still creates."""


@dataclass(frozen=True, slots=True)
class VolumeSpec:
    """What a volume is asked to be. With `xml` only the document counts: the other fields but `name` stay unread."""

    name: str
    _: KW_ONLY
    capacity_bytes: int
    """Size that a guest sees; 0 for a spec made of XML."""
    format: str = ""
    """Of files: raw (also meant by empty), qcow2, qcow, qed, vmdk, vdi, vpc. Of partitions in a disk pool: their type,
    such as linux. Devices have none."""
    allocation_bytes: int | None = None
    """Bytes to allocate at once of a raw file. None: all. Others are allocated by `preallocation` of `create` alone."""
    backing_store: BackingStore | None = None
    permissions: Permissions | None = None
    encryption: VolumeEncryption | None = None
    """None: none. Of an encrypted volume nothing but the header is allocated at once."""
    compat: str = ""
    """qcow2's compatibility level, `0.10` or `1.1`; empty: libvirt's default, 1.1 where features are asked for."""
    features: tuple[str, ...] = ()
    """qcow2's, in libvirt's spelling: `lazy_refcounts`, `extended_l2`."""
    cluster_size_bytes: int | None = None
    """qcow2's: a power of two between 512 and 2 MiB; None: 64 KiB."""
    nocow: bool = False
    """Without copy-on-write of the file system's own: raw and qcow2 on btrfs."""
    xml: str = ""
    """libvirt's own document, passed on untouched."""

    @classmethod
    def from_xml(cls, xml: str) -> VolumeSpec:
        """Take libvirt's `<volume>` document as it is. Raises InvalidArgument where it is malformed or nameless."""
        return cls(document_name(xml, "volume"), capacity_bytes=0, xml=xml)


@dataclass(frozen=True, slots=True)
class CloneSpec:
    """What the clone of a volume is asked to be. With `xml` only the document counts."""

    name: str
    _: KW_ONLY
    format: str = ""
    """In libvirt's spelling, such as `raw` or `qcow2`; empty: the source's, and `qcow2` for a linked clone."""
    capacity_bytes: int | None = None
    """Size that a guest sees, never less than the source's. None: the source's."""
    linked: bool = False
    """A qcow2 volume that lies on the source, instead of a copy of it: the source must not be changed any more."""
    permissions: Permissions | None = None
    """None: as for a new volume, whatever the source's are."""
    encryption: VolumeEncryption | None = None
    """Of raw and qcow2 copies. None: as the source is, with the same passphrase; a source that is plain, but lies on
    something encrypted, is copied only where this or `decrypted` is given."""
    decrypted: bool = False
    """The copy of a source that is encrypted, or lies on something that is, is not encrypted."""
    xml: str = ""
    """libvirt's own document of the new volume, passed on untouched."""

    @classmethod
    def from_xml(cls, xml: str) -> CloneSpec:
        """Take libvirt's `<volume>` document as it is. Raises InvalidArgument where it is malformed or nameless."""
        return cls(document_name(xml, "volume"), xml=xml)


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume(Deferred):
    """A storage volume of one pool of one host."""

    pool: str
    name: str
    key: str
    """libvirt's key: the path for volumes that are files."""
    path: str
    """Path on this host: what goes into a guest's XML."""
    type: str
    """`file`, `block`, `dir`, `network`, `netdir`, `ploop`."""
    format: str = ""
    """In libvirt's spelling; empty: not known."""
    capacity_bytes: int | None = None
    """Size that a guest sees; None: not known. So are the other sizes."""
    allocation_bytes: int | None = None
    physical_bytes: int | None = None
    backing_store: BackingStore | None = None
    permissions: Permissions | None = None
    modified_at: datetime | None = None
    compat: str = ""
    """qcow2's compatibility level, such as `1.1`."""
    features: tuple[str, ...] = ()
    cluster_size_bytes: int | None = None
    encryption: str = ""
    """Format of encryption, such as `luks`; empty: none."""
    content_id: str = ""
    """What the image's header holds for what is in it, of pools that are folders: `luks:UUID`, `vdi:UUID`, `vpc:UUID`
    or `vmdk:CID`. A copy of the file has the same, until a VMDK is written to. Empty: none, as raw and qcow2 have but
    for what is encrypted, or not looked at yet."""
    etag: str = ""
    """Covers identity and definition, never usage."""
    xml: str = ""
    """libvirt's XML; empty unless asked for by `full`."""
    as_of: datetime | None = None
    """When this was looked at, by the host's clock; None in an operation's result."""
    age_s: float | None = None
    """How long before the answer that was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadPool:
    """An active pool whose volumes a listing of all pools lacks."""

    pool: str
    reason: str
    """Name of an `ErrorReason` without its prefix."""
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeListing:
    """All volumes of one pool or of one host, and what could not be read. Its pages may be of different revisions."""

    volumes: tuple[Volume, ...]
    unread_pools: tuple[UnreadPool, ...]
    revision: Revision
    """Revision of the last page."""
    as_of: datetime | None
    """When the oldest part was looked at."""
    age_s: float | None

    @property
    def complete(self) -> bool:
        """Whether every active pool was read."""
        return not self.unread_pools
