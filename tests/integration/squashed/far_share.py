"""A share that squashes root, as the pool `far` of one host: what is asked for there, and what is there."""

from __future__ import annotations

from typing import Any

from poolfleet import VolumeSpec
from scripts.embedded.squashed_share import SquashedShare

QEMU_UID, KVM_GID = 64055, 107
LIMIT_S = 30.0
MIB = 1 << 20


def volume(name: str = "v", **differing: Any) -> VolumeSpec:
    stated: dict[str, Any] = {"capacity_bytes": MIB, "allocation_bytes": 0, "format": "raw"}
    return VolumeSpec(name, **stated | differing)


def names(share: SquashedShare) -> list[str]:
    return sorted(path.name for path in share.files.iterdir())
