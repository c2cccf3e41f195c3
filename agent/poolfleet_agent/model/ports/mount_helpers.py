"""The mount helpers (mount.nfs and the like) that libvirt's daemon runs itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class MountHelper:
    """One process: `started_ticks` since the host's boot tells it from a later one with its number."""

    pid: int
    started_ticks: int
    name: str
    running_s: float


class MountHelpers(Protocol):
    """Finds and ends them."""

    async def of_libvirt(self) -> Sequence[MountHelper]:
        """Those that run as descendants of libvirt's daemon, without those that only wait for another one of them."""
        ...

    def kill(self, helper: MountHelper) -> bool:
        """End that very process: False: it is gone already. AGENT_NOT_AUTHORIZED."""
        ...
