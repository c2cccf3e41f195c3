"""Sources that new pools could have, as an agent found them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DiscoveredBy(StrEnum):
    """Who told of the sources."""

    UNKNOWN = "unknown"
    MOUNTD = "mountd"
    """The server's own list of exports, with their clients."""
    ROOT = "root"
    """Its root: folders that can be mounted, as far as they can be told from those that only lead to one."""
    LIBVIRT = "libvirt"


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveredSource:
    """A place that a new pool could have as its source. Empty: it has none of that kind."""

    host: str = ""
    path: str = ""
    """Export, volume or directory on the server."""
    name: str = ""
    """Of types whose sources have one, such as a volume group."""
    devices: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()
    """Whom the server exports it to; empty: everybody, or the server does not tell."""
    xml: str = ""
    """libvirt's `<source>` element, where libvirt found it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSources:
    """What one host found."""

    sources: tuple[DiscoveredSource, ...]
    """In the order in which they were told."""
    found_by: DiscoveredBy
