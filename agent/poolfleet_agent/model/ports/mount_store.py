"""What is kept of mounts: who made them, and which source belongs under a target."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class MountOwner(StrEnum):
    """Who made a mount."""

    AGENT = "AGENT"
    LIBVIRT = "LIBVIRT"
    FOREIGN = "FOREIGN"


@dataclass(frozen=True, slots=True, kw_only=True)
class MountRecord:
    """What belongs on a target: `source` as `host:/path`, who mounted it, and in which boot (a mount dies with it)."""

    target: str
    source: str
    owner: MountOwner
    boot_id: str


class MountStore(Protocol):
    """Keeps mount records by target."""

    async def load_all(self) -> Sequence[MountRecord]:
        """All of them."""
        ...

    async def save(self, record: MountRecord) -> None:
        """Insert or replace."""
        ...

    async def remove(self, target: str) -> None:
        """Forget."""
        ...
