"""A volume's file that is made, changed or read by a program of our own."""

from dataclasses import dataclass, replace

from poolfleet_agent.model.capacity import (
    KIB,
    LARGEST_CYLINDER_BYTES,
    LARGEST_LUKS_HEADER_BYTES,
    SECTOR_BYTES,
    bytes_at_once,
    rounded_up,
)
from poolfleet_agent.model.image_options import FEATURES, PLAIN, QCOW2, ImageOptions, made_compat
from poolfleet_agent.model.secret import SecretValue
from poolfleet_agent.model.volume import BackingStore, VolumeDefinition, VolumeFacts
from poolfleet_agent.model.volume_formats import FILE_FORMATS

MADE_FORMATS = frozenset({"raw", "qcow2"})
"""Formats of which an encrypted volume, and one of no capacity, can be made."""

COPIED_FORMATS = frozenset(FILE_FORMATS)
"""Formats in which new volumes and copies are made."""

PREALLOCATED_FORMATS = frozenset({"raw", "qcow2"})
"""Formats whose bytes can be taken from the storage at once."""

_RAW_BY_ANOTHER_NAME = frozenset({"", "none", "iso"})

LUKS = "luks"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewImage:
    """What to make: `size_bytes` as the guest sees it; `allocated`: with all its bytes taken from the storage,
    by whatever `preallocation` says, where that is stated.

    `format` is qemu's: a raw volume that is encrypted is a `luks` container. `passphrase`: it is encrypted by luks.
    `device`: `major:minor` of the mount that its folder must lie on; empty: any.
    """

    path: str
    format: str
    size_bytes: int
    allocated: bool
    backing_store: BackingStore | None = None
    device: str = ""
    passphrase: SecretValue | None = None
    options: ImageOptions = PLAIN
    preallocation: str = ""

    @property
    def is_empty_file(self) -> bool:
        """Whether a file of its length that holds nothing is all that it is."""
        return self.format == "raw" and self.options == PLAIN and not (self.allocated or self.preallocation)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFile:
    """A volume's file as it was found, for a program that is to change it; `device` as for NewImage."""

    path: str
    inode: int
    device: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One file of an image that is read; a format in qemu's spelling. `is_block`: it is a device.

    `passphrase`: it is encrypted by luks; what is raw then is a `luks` container, as for NewImage. `file`: device and
    inode of the file that was looked at.
    """

    path: str
    format: str
    is_block: bool = False
    passphrase: SecretValue | None = None
    file: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceImage:
    """What to read: an image's layers, the uppermost first. Only they are read, whatever their headers say.

    `forced`: although somebody writes to it.
    """

    layers: tuple[Layer, ...]
    forced: bool = False


def image_format(volume_format: str) -> str:
    """qemu's name of the format of a volume that is in libvirt's spelling."""
    return "raw" if volume_format in _RAW_BY_ANOTHER_NAME else volume_format


def can_be_made(definition: VolumeDefinition) -> bool:
    """Whether such a volume is one that NewImage can tell of."""
    encryption = definition.encryption
    if encryption is None:
        fits = (definition.format or "raw") in COPIED_FORMATS
    else:
        fits = (definition.format or "raw") in MADE_FORMATS and encryption.format == LUKS
    return fits and definition.capacity_bytes is not None


def largest_capacity_bytes(definition: VolumeDefinition) -> int | None:
    """What libvirt may take for the capacity of such a volume while it is being made; None: not stated."""
    if definition.capacity_bytes is None:
        return None
    header_bytes = LARGEST_LUKS_HEADER_BYTES if definition.encryption is not None else 0
    return definition.capacity_bytes + header_bytes + (LARGEST_CYLINDER_BYTES if definition.format == "vpc" else 0)


def image_of(
    definition: VolumeDefinition, path: str, *, device: str = "", passphrase: SecretValue | None = None
) -> NewImage:
    """What to make for a volume, as libvirt makes it, on that device.

    A raw one begins with what is allocated, in whole sectors; it has yet to be given its length.
    """
    capacity_bytes = definition.capacity_bytes or 0
    at_once_bytes = bytes_at_once(definition)
    made_format = image_format(definition.format or "")
    is_raw = made_format == "raw"
    if is_raw and passphrase is None:
        return NewImage(
            path=path,
            format=made_format,
            size_bytes=rounded_up(at_once_bytes, SECTOR_BYTES),
            allocated=at_once_bytes > 0,
            device=device,
            preallocation=definition.preallocation,
        )
    options = definition.options
    return NewImage(
        path=path,
        format=LUKS if is_raw else made_format,
        size_bytes=rounded_up(capacity_bytes, KIB),
        allocated=False,
        backing_store=definition.backing_store,
        device=device,
        passphrase=passphrase,
        options=replace(options, compat=made_compat(options)) if made_format == QCOW2 else options,
        preallocation=definition.preallocation,
    )


def copy_of(
    definition: VolumeDefinition, path: str, *, device: str = "", passphrase: SecretValue | None = None
) -> NewImage:
    """What to make for a volume that another one's content is written into: nothing of it is allocated yet.

    A raw one has whole sectors; it has yet to be given its length.
    """
    made_format = image_format(definition.format or "")
    if made_format == "raw" and passphrase is not None:
        made_format = LUKS
    unit_bytes = SECTOR_BYTES if made_format == "raw" else KIB
    return NewImage(
        path=path,
        format=made_format,
        size_bytes=rounded_up(definition.capacity_bytes or 0, unit_bytes),
        allocated=False,
        device=device,
        passphrase=passphrase,
        options=definition.options,
    )


def layout_of(facts: VolumeFacts) -> ImageOptions:
    """How a qcow2 volume is laid out, for a copy that is laid out as it is."""
    return ImageOptions(
        compat=facts.compat,
        cluster_size_bytes=facts.cluster_size_bytes,
        features=tuple(feature for feature in facts.features if feature in FEATURES),
    )


def copied_bytes(definition: VolumeDefinition, measured_bytes: int) -> int:
    """What a copy takes from the storage at most, where its source was measured: where a luks container is not
    written it holds noise, so that all of it is."""
    if definition.encryption is None:
        return measured_bytes
    if image_format(definition.format or "") == "raw":
        return (definition.capacity_bytes or 0) + LARGEST_LUKS_HEADER_BYTES
    return measured_bytes + LARGEST_LUKS_HEADER_BYTES
