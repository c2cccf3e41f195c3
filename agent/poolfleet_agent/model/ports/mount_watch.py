"""Watching the host's network mounts: what each probe says of them, and who asks them."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Protocol

from poolfleet_agent.model.mount_health import MountHealth
from poolfleet_agent.model.mount_table import MountEntry, MountTable

ERRNO = "errno"
"""In the metadata of a prober's error: the mount did answer, with this error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeAnswer:
    """What a mount answered: `reason` is the name of a Reason, empty: nothing is wrong."""

    reason: str = ""
    message: str = ""


class MountProber(Protocol):
    """Asks mounts, each through a process of its own that may be lost.

    No answer is waited for as long as the caller waits; what is asked anew of a process that was lost, or ended without
    an answer, raises ModelError, and so does a mount that answers with an error: that has ERRNO in its metadata.
    """

    async def ask_sizes(self, entry: MountEntry) -> ProbeAnswer:
        """Ask for the file system's sizes, which always asks the server; slow directories do not delay it."""
        ...

    async def ask_names(self, entry: MountEntry) -> ProbeAnswer:
        """Open its directory anew and read a name."""
        ...

    def keep_only(self, entries: Collection[MountEntry]) -> None:
        """End the processes of all other mounts: they are gone."""
        ...


class MountWatch(Protocol):
    """The network mounts of the host, pool or not, and their health. Answers are at hand, nothing is touched but by
    `silent_now`."""

    def table(self) -> MountTable:
        """What is mounted, now."""
        ...

    def holding(self, path: str) -> MountEntry | None:
        """The network mount that a path lies on, by its name; None: it is local."""
        ...

    def health(self, path: str) -> MountHealth | None:
        """The health of the network mount that a path lies on; None: it is local, or was not probed yet."""
        ...

    def unresponsive(self) -> tuple[MountEntry, ...]:
        """The network mounts that do not answer."""
        ...

    def suspect(self) -> tuple[MountEntry, ...]:
        """The network mounts that missed their last probe, and are asked again now."""
        ...

    async def wait_until_probed(self, limit_s: float) -> None:
        """Return as soon as every network mount was probed once, at most after `limit_s` seconds."""
        ...

    async def wait_for_next_probe(self, path: str, limit_s: float) -> None:
        """Return after the next probe of the network mount that a path lies on, at most after `limit_s` seconds."""
        ...

    async def silent_now(self, entries: Iterable[MountEntry]) -> tuple[MountEntry, ...]:
        """Ask these network mounts at once, one question each; the answer is those that gave none in a probe's time.

        What answers with an error is not silent. A silent one's own next probe is due now.
        """
        ...

    async def until_unresponsive(self, path: str) -> None:
        """Return as soon as the network mount that a path lies on does not answer, or is gone."""
        ...

    async def wait_for_change(self) -> None:
        """Return when the health of a mount changes, or mounts come or go."""
        ...

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Have it told, on the event loop, that the health of a mount changed, or that mounts came or went."""
        ...
