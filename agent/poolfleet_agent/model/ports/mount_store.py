"""What is kept of mounts: who made them, and which source belongs under a target."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from poolfleet_agent.model.pool import MountOwner


@dataclass(frozen=True, slots=True, kw_only=True)
class MountRecord:
    """What belongs on a target: `source` as `host:/path`, who mounted it, and in which boot (a mount dies with it).

    `address`: by which the kernel knew the server when that was last seen; empty: it was not. `attempting`: written
    before a mount is tried, so that one that outlives its agent is known as ours.
    """

    target: str
    source: str
    owner: MountOwner
    boot_id: str
    address: str = ""
    attempting: bool = False


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
