"""What a domain refers to on storage: as its XML says it, and as resolved to pools and volumes."""

from dataclasses import dataclass
from enum import StrEnum


class DomainState(StrEnum):
    """Whether the domain holds its disks open."""

    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"


class DiskRole(StrEnum):
    """What the domain uses a file or device for."""

    DISK = "DISK"
    CDROM = "CDROM"
    FLOPPY = "FLOPPY"
    BACKING = "BACKING"
    NVRAM = "NVRAM"
    LOADER = "LOADER"
    KERNEL = "KERNEL"
    MIRROR = "MIRROR"
    DATA_FILE = "DATA_FILE"
    SNAPSHOT = "SNAPSHOT"
    MEMORY_IMAGE = "MEMORY_IMAGE"


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainReference:
    """One source as a domain's XML (live, stored, snapshot) names it.

    `source_kind` is libvirt's `<disk type=…>`; `path` is set for file, block and dir sources; `pool` and `volume` as
    written for kind `volume`.
    """

    domain: str
    domain_uuid: str
    domain_state: DomainState
    role: DiskRole
    target: str
    source_kind: str
    path: str = ""
    pool: str = ""
    volume: str = ""
    read_only: bool = False
    shared: bool = False
    format: str = ""
    depth: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainReading:
    """Everything the host's domains refer to; `missing` says what could not be read, a sentence each."""

    references: tuple[DomainReference, ...]
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainDisk:
    """A reference resolved to this host's pools; `pool`, `volume`, `storage_id` are empty where no pool has it.

    What several pools have is a disk in each of them.
    """

    reference: DomainReference
    path: str
    pool: str = ""
    volume: str = ""
    storage_id: str = ""

    @property
    def identity(self) -> tuple[str, ...]:
        """What tells it from every other: domain, device, role and place."""
        reference = self.reference
        whose = (reference.domain, reference.domain_uuid, reference.target, reference.role)
        return (*whose, self.path, self.pool, self.volume)

    @property
    def place_in_order(self) -> tuple[str, ...]:
        """What lists are sorted by: domain, device, depth, then all that tells it from others."""
        reference = self.reference
        return (reference.domain, reference.target, f"{reference.depth:04d}", *self.identity)


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainDisks:
    """All resolved disks of one reading, in their order."""

    disks: tuple[DomainDisk, ...]
    missing: tuple[str, ...]
    as_of_s: float

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing

    def by_domain(self) -> dict[str, tuple[DomainDisk, ...]]:
        """The disks of each domain, by its UUID."""
        found: dict[str, list[DomainDisk]] = {}
        for disk in self.disks:
            found.setdefault(disk.reference.domain_uuid, []).append(disk)
        return {uuid: tuple(disks) for uuid, disks in found.items()}

    def users_of_pool(self, pool: str) -> tuple[DomainDisk, ...]:
        """The disks that lie in a pool."""
        return tuple(disk for disk in self.disks if disk.pool == pool)

    def users_of_volume(self, pool: str, volume: str) -> tuple[DomainDisk, ...]:
        """The disks that are a volume."""
        return tuple(disk for disk in self.disks if disk.pool == pool and disk.volume == volume)
