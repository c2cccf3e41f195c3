"""Sources that new pools could have: what is asked for, and what is found."""

from dataclasses import dataclass
from enum import StrEnum

LIBVIRT_POOL_TYPES = frozenset(
    {
        *("dir", "fs", "netfs", "logical", "disk", "iscsi", "iscsi-direct", "scsi", "mpath"),
        *("rbd", "sheepdog", "gluster", "zfs", "vstorage"),
    }
)
"""Every pool type that libvirt knows; for which of them it finds sources, it says itself."""


class FoundBy(StrEnum):
    """Who told of the sources."""

    MOUNTD = "MOUNTD"
    """The server's MOUNT program: its exports, with their clients."""
    ROOT = "ROOT"
    """The folders that its root shows: what can be mounted there, as far as it can be told."""
    LIBVIRT = "LIBVIRT"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceQuery:
    """Where to look. Empty and 0: not stated."""

    type: str
    host: str = ""
    port: int = 0
    initiator: str = ""
    format: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveredSource:
    """A place that a new pool could have as its source; `clients`: whom it is exported to; `xml`: libvirt's words."""

    host: str = ""
    path: str = ""
    name: str = ""
    devices: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()
    xml: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """What was found, and by whom."""

    sources: tuple[DiscoveredSource, ...]
    found_by: FoundBy
