"""Finds the worker for a path: that of the network mount that it lies on and of who acts there, else the local one.

Symbolic links are followed by the local worker as far as they stay off network mounts, so that none leads it onto one.
What lies on a mount that does not answer is refused at once.
"""

import os
from typing import Protocol, Self

from poolfleet_agent.files.channel import Channel, shown
from poolfleet_agent.files.mount_workers import MountWorkers
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.mount_table import MountEntry
from poolfleet_agent.model.ports.mount_watch import MountWatch
from poolfleet_agent.model.share_user import ROOT, ShareUser


class Asker(Protocol):
    """Who can be asked about a path: one worker (Channel), or the one that is right for it (Routes)."""

    async def ask(self, operation: bytes, path: bytes, *arguments: bytes, timeout_s: float) -> list[bytes]:
        """Ask what may be asked twice."""
        ...

    async def ask_once(self, operation: bytes, path: bytes, *arguments: bytes, timeout_s: float) -> list[bytes]:
        """Ask for a change."""
        ...

    def acting_as(self, user: ShareUser) -> Self:
        """Who can be asked to act as that user on network mounts."""
        ...


class Routes:
    """Asks the worker that a path belongs to: as Channel; POOL_UNRESPONSIVE at once for a mount that is dead."""

    def __init__(self, local: Channel, workers: MountWorkers, watch: MountWatch, *, user: ShareUser = ROOT) -> None:
        """Owns none of them. `user` acts on network mounts."""
        self._user = user
        self._local = local
        self._workers = workers
        self._watch = watch

    def acting_as(self, user: ShareUser) -> Self:
        """The same, with another user on network mounts."""
        return type(self)(self._local, self._workers, self._watch, user=user)

    async def ask(self, operation: bytes, path: bytes, *arguments: bytes, timeout_s: float) -> list[bytes]:
        """Ask what may be asked twice."""
        channel = await self._channel(path, timeout_s)
        return await channel.ask(operation, path, *arguments, timeout_s=timeout_s)

    async def ask_once(self, operation: bytes, path: bytes, *arguments: bytes, timeout_s: float) -> list[bytes]:
        """Ask for a change."""
        channel = await self._channel(path, timeout_s)
        return await channel.ask_once(operation, path, *arguments, timeout_s=timeout_s)

    async def _channel(self, path: bytes, timeout_s: float) -> Channel:
        borders = [os.fsencode(entry.target) for entry in self._watch.table().network()]
        if not borders:
            return self._local
        entry = self._watch.holding(os.fsdecode(path))
        if entry is None:
            number, *found = await self._local.ask(b"leads_to", path, *borders, timeout_s=timeout_s)
            entry = self._watch.holding(os.fsdecode(found[0])) if number == b"0" else None
        if entry is None:
            return self._local
        self._refuse_dead(entry, path)
        return self._workers.of(entry, self._user)

    def _refuse_dead(self, entry: MountEntry, path: bytes) -> None:
        health = self._watch.health(entry.target)
        if health is not None and health.dead:
            raise ModelError(
                Reason.POOL_UNRESPONSIVE,
                f"{shown(path)} lies on {entry.source}, which does not answer",
                metadata={"path": shown(path), "mount": entry.target, "source": entry.source},
                retry_delay_s=5.0,
            )
