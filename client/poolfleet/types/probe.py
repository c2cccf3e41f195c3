"""Diagnoses of pools: what each layer came to, who is who on the share, and what it all comes to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class LayerOutcome(StrEnum):
    """What came of looking at a layer."""

    UNKNOWN = "unknown"
    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeLayer:
    """One layer of a pool's diagnosis."""

    layer: str
    """`dns`, `tcp`, `rpc`, `export`, `mount`, `squash`, `read` or `write`."""
    outcome: LayerOutcome
    duration_s: float | None
    """None where it was skipped."""
    failure: str = ""
    """Kind of its failure, such as TIMED_OUT or SQUASHED; empty where it did not fail."""
    message: str = ""
    """What failed, why it was skipped, or what is worth knowing though all is well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareUsers:
    """Who is who in the directory of a network pool. None: it cannot be told."""

    root_squashed: bool | None
    """Whether the server takes the host's root for somebody else."""
    root_uid: int | None
    """Whom it takes root for; told by a write test only."""
    worker_uid: int
    """Whom the agent acts as there: root where root may write, else a user of the pool's or the directory's."""
    worker_gid: int
    libvirt_can_list: bool
    """Whether libvirt, which is root, can list the directory."""
    qemu_user: str
    """Empty: the host has none, and the two that follow are None."""
    qemu_can_read: bool | None
    """Whether qemu's user can open files in the directory."""
    qemu_can_write: bool | None
    """Whether qemu's user can make files in the directory."""
    owner_is_nobody: bool
    """Whether the owner shows as nobody, as it does where the server's id mapping fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolProbe:
    """A pool's diagnosis."""

    layers: tuple[ProbeLayer, ...]
    """All layers in their order, skipped ones too."""
    failure: str
    """Kind of failure of the first layer that failed; empty: none did."""
    verdict: str
    """A sentence for people that sums up."""
    advice: str
    """What to do about it; empty: nothing, or nobody knows."""
    users: ShareUsers | None
    """None where it could not be looked at, and for local pools."""

    @property
    def failed(self) -> ProbeLayer | None:
        """The first layer that failed; None: none did."""
        return next((layer for layer in self.layers if layer.outcome is LayerOutcome.FAILED), None)
