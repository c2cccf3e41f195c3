"""A volume's file that is to be made or changed by a program of our own."""

from dataclasses import dataclass

from poolfleet_agent.model.capacity import bytes_at_once
from poolfleet_agent.model.volume import BackingStore, VolumeDefinition

MADE_FORMATS = frozenset({"raw", "qcow2"})

_SECTOR_BYTES = 512
_KIB = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class NewImage:
    """What to make: `size_bytes` as the guest sees it; `allocated`: with all its bytes taken from the storage.

    `device`: `major:minor` of the mount that its folder must lie on; empty: any.
    """

    path: str
    format: str
    size_bytes: int
    allocated: bool
    backing_store: BackingStore | None = None
    device: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFile:
    """A volume's file as it was found, for a program that is to change it; `device` as for NewImage."""

    path: str
    inode: int
    device: str = ""


def can_be_made(definition: VolumeDefinition) -> bool:
    """Whether such a volume is one that NewImage can tell of."""
    return (definition.format or "raw") in MADE_FORMATS and definition.capacity_bytes is not None


def image_of(definition: VolumeDefinition, path: str, *, device: str = "") -> NewImage:
    """What to make for a volume, as libvirt makes it, on that device.

    A raw one begins with what is allocated, in whole sectors; it has yet to be given its length.
    """
    capacity_bytes = definition.capacity_bytes or 0
    at_once_bytes = bytes_at_once(definition)
    if (definition.format or "raw") == "raw":
        return NewImage(
            path=path,
            format="raw",
            size_bytes=_rounded_up(at_once_bytes, _SECTOR_BYTES),
            allocated=at_once_bytes > 0,
            device=device,
        )
    return NewImage(
        path=path,
        format="qcow2",
        size_bytes=_rounded_up(capacity_bytes, _KIB),
        allocated=0 < capacity_bytes <= at_once_bytes,
        backing_store=definition.backing_store,
        device=device,
    )


def _rounded_up(size_bytes: int, unit_bytes: int) -> int:
    return -(-size_bytes // unit_bytes) * unit_bytes
