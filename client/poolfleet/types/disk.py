"""What domains (libvirt's word for guests) refer to on storage."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from poolfleet.types.snapshot import Revision


class DomainState(StrEnum):
    """Whether a domain holds its disks open."""

    UNKNOWN = "unknown"
    ACTIVE = "active"
    INACTIVE = "inactive"


class DiskRole(StrEnum):
    """What a domain uses something for."""

    UNKNOWN = "unknown"
    DISK = "disk"
    CDROM = "cdrom"
    BACKING = "backing"
    NVRAM = "nvram"
    LOADER = "loader"
    KERNEL = "kernel"
    MIRROR = "mirror"
    DATA_FILE = "data_file"
    SNAPSHOT = "snapshot"
    MEMORY_IMAGE = "memory_image"
    FLOPPY = "floppy"


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainDisk:
    """One file, device or volume that one domain refers to."""

    domain: str
    domain_uuid: str
    domain_state: DomainState
    role: DiskRole
    target: str
    """The guest's device, such as `vda`; empty where there is none."""
    source_kind: str
    """`file`, `block`, `volume`, `network`, `dir`, `vhostuser`."""
    path: str
    """Path on this host; empty for sources that have none."""
    storage_id: str
    """Empty where no pool of this host has it. So are the next two."""
    pool: str
    volume: str
    read_only: bool
    shared: bool
    format: str
    """Format that the domain gives it; empty: not stated."""
    depth: int
    """Depth in the backing chain; 0 is what the domain names itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainDisks:
    """All disks that were asked for, and whether some are missing."""

    disks: tuple[DomainDisk, ...]
    complete: bool
    """False where some domains could not be read: what is not here may be used all the same."""
    missing: tuple[str, ...]
    """Why, a sentence each."""
    revision: Revision
    """Revision of the last page."""
    as_of: datetime | None
    """When the domains were read."""
    age_s: float | None
