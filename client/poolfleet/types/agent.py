"""The agent itself: identity, versions, limits and mode."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from poolfleet.types.snapshot import Revision


class AgentMode(StrEnum):
    """What an agent may do: read and change, or read only."""

    UNKNOWN = "unknown"
    MANAGE = "manage"
    OBSERVE = "observe"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentVersions:
    """Versions of what an agent is made of; empty: not known."""

    agent: str
    libvirt: str
    """libvirt's daemon; empty while not connected."""
    libvirt_client: str
    python: str
    kernel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentLimits:
    """Bounds that a client should know."""

    default_page_size: int
    longest_page_size: int
    page_bytes: int
    request_id_retention_s: float
    """How long request ids and ended operations are remembered."""
    staleness_s: float
    """How old what is seen of a volume can be where nobody asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintenance:
    """Whether an agent was told to leave pools alone."""

    enabled: bool
    reason: str
    until: datetime | None
    """None: until it is ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """A daemon on one host, as it answered."""

    agent_id: str
    """Random, made at its first start: two hosts never share one."""
    host_name: str
    host_uuid: str
    """SMBIOS UUID; may be the same on several hosts. Empty: not known."""
    boot_id: str
    revision: Revision
    time: datetime | None
    """The host's clock when it answered."""
    versions: AgentVersions
    storage_uri: str
    domain_uris: tuple[str, ...]
    libvirt_connected: bool
    pool_types: tuple[str, ...]
    """Pool types that this libvirt was built with."""
    features: tuple[str, ...]
    limits: AgentLimits
    mode: AgentMode
    maintenance: Maintenance
    started_at: datetime | None
    registry_loaded: bool
    """False until the host's pools have been read once."""
    as_of: datetime | None
    """When the pools were read last."""
    age_s: float | None
