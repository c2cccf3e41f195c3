"""libvirt's secrets: what a caller asks for (SecretSpec), what names one (SecretRef), what an agent tells (Secret).

A value is handed over beside them, or by SecretWithValue, which does not show it; no call gives it back.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretRef:
    """Names a secret of a host, by its UUID or by its usage."""

    uuid: str = ""
    usage_type: str = ""
    """`volume`, `ceph`, `iscsi`, `tls` or `vtpm`."""
    usage_id: str = ""
    """The volume's path, the iscsi target, or a name."""


@dataclass(frozen=True, slots=True)
class SecretSpec:
    """What a secret is asked to be. None: it may be as it is."""

    usage_type: str
    """`volume`, `ceph`, `iscsi`, `tls` or `vtpm`."""
    usage_id: str
    """The volume's path, the iscsi target, or a name."""
    _: KW_ONLY
    uuid: str = ""
    """Empty: libvirt makes one, on each host another."""
    description: str | None = None
    private: bool | None = None
    """Whether libvirt hands the value to its own drivers only. None: for a new one False."""
    ephemeral: bool | None = None
    """Whether libvirt keeps the value in memory only. None: for a new one False."""


@dataclass(frozen=True, slots=True)
class SecretWithValue:
    """What `secrets.set` takes, as one, for calls that set a secret on the way. Its value is not in its repr."""

    spec: SecretSpec
    value: str | bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A secret of one host, without its value."""

    uuid: str
    usage_type: str
    """`volume`, `ceph`, `iscsi`, `tls`, `vtpm`; `none`: not stated."""
    usage_id: str
    description: str = ""
    private: bool = False
    ephemeral: bool = False
    etag: str = ""
    """Covers all of the above, never the value."""
    as_of: datetime | None = None
    """When libvirt was asked, by the host's clock; None in an operation's result."""
