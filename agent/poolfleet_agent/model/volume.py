"""A storage volume: what is asked for, and what libvirt says of it."""

from dataclasses import dataclass

from poolfleet_agent.model.image_options import PLAIN, ImageOptions
from poolfleet_agent.model.pool import Permissions
from poolfleet_agent.model.secret import SecretRef


@dataclass(frozen=True, slots=True, kw_only=True)
class BackingStore:
    """What a copy-on-write volume lies on: absolute path and libvirt's format (empty: not stated)."""

    path: str
    format: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeEncryption:
    """How a volume is encrypted: libvirt's format, and the secret that is its passphrase (None: not stated)."""

    format: str
    secret: SecretRef | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeDefinition:
    """What a definition states. None: not stated."""

    name: str
    format: str | None = None
    capacity_bytes: int | None = None
    allocation_bytes: int | None = None
    backing_store: BackingStore | None = None
    permissions: Permissions | None = None
    encryption: VolumeEncryption | None = None
    options: ImageOptions = PLAIN
    preallocation: str = ""
    """What is taken from the storage at once: metadata, falloc, full; empty: as allocation_bytes says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeFacts:
    """What libvirt says of one volume. `type` is libvirt's (`file`, `block`, `dir`, …); None: not known."""

    pool: str
    name: str
    key: str
    path: str
    type: str
    format: str
    capacity_bytes: int | None
    allocation_bytes: int | None
    physical_bytes: int | None
    backing_store: BackingStore | None
    permissions: Permissions | None
    modified_at_s: float | None
    born_at_s: float | None = None
    compat: str = ""
    features: tuple[str, ...] = ()
    cluster_size_bytes: int | None = None
    encryption: str = ""
    content_id: str = ""
    """By the file itself, of which libvirt tells none; empty: it has none, or libvirt was asked."""
    secret: SecretRef | None = None
    """What it is encrypted with, as far as libvirt knows."""
    xml: str = ""

    @property
    def special(self) -> bool:
        """Whether it is no volume for our purposes: a directory, or a name that begins with a dot."""
        return self.type in {"dir", "netdir"} or self.name.startswith(".")


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeListing:
    """All volumes of a pool, by libvirt, and how many files have names that are not UTF-8."""

    volumes: tuple[VolumeFacts, ...]
    unaddressable_count: int = 0
