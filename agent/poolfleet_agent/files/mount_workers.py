"""One worker for each network mount and user: what hangs on one server takes nothing from what lies on others.

A worker is started when its mount is first asked as its user, and ended when the mount is gone. Probes are root's.
"""

import asyncio
import errno
import os
from collections.abc import Callable, Collection, Sequence

from poolfleet_agent.files.channel import Channel
from poolfleet_agent.files.looking import PROBE
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.mount_table import MountEntry
from poolfleet_agent.model.ports.mount_watch import ERRNO, ProbeAnswer
from poolfleet_agent.model.share_user import ROOT, ShareUser

LONGEST_ANSWER_S = 3600.0
"""How long one question of a probe may be open: who asks waits far shorter, and asks no second one meanwhile."""

_FINE = frozenset({errno.EACCES, errno.EPERM})
"""The server answered, and root is nobody to it."""

_Key = tuple[int, str, str]


class MountWorkers:
    """Implements model.ports.MountProber; `new_channel` makes the channel to a worker that acts as a user."""

    def __init__(self, new_channel: Callable[[ShareUser], Channel]) -> None:
        self._new_channel = new_channel
        self._channels: dict[tuple[_Key, ShareUser], Channel] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def of(self, entry: MountEntry, user: ShareUser = ROOT) -> Channel:
        """The channel to a mount's worker that acts as a user."""
        key = _key(entry), user
        channel = self._channels.get(key)
        if channel is None:
            channel = self._channels[key] = self._new_channel(user)
        return channel

    def keep_only(self, entries: Collection[MountEntry]) -> None:
        """End the workers of all other mounts: they are gone."""
        kept = {_key(entry) for entry in entries}
        for key in [key for key in self._channels if key[0] not in kept]:
            task = asyncio.create_task(self._channels.pop(key).close(), name="end a mount's worker")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def ask_sizes(self, entry: MountEntry) -> ProbeAnswer:
        """Ask statvfs, on the worker's own thread for it."""
        fault, numbers = await self._asked(PROBE, entry)
        if fault.reason or not numbers:
            return fault
        read_only, blocks, available = map(int, numbers)
        if read_only:
            return ProbeAnswer(reason=Reason.READ_ONLY, message="mounted read-only")
        if blocks and not available:
            return ProbeAnswer(reason=Reason.FULL, message="no space is left on the share")
        return fault

    async def ask_names(self, entry: MountEntry) -> ProbeAnswer:
        """Open its directory anew and read a name."""
        fault, _ = await self._asked(b"first_name", entry)
        return fault

    async def close(self) -> None:
        """End all workers."""
        self.keep_only(())
        await asyncio.gather(*self._closing)

    async def _asked(self, operation: bytes, entry: MountEntry) -> tuple[ProbeAnswer, Sequence[bytes]]:
        number, *found = await self.of(entry).ask(operation, os.fsencode(entry.target), timeout_s=LONGEST_ANSWER_S)
        code = int(number)
        if code == errno.ESTALE:
            return ProbeAnswer(reason=Reason.STALE, message=f"{entry.source} is no more what was mounted"), ()
        if code and code not in _FINE:
            # A soft mount tells so that its server is silent.
            raise ModelError(
                Reason.POOL_UNRESPONSIVE,
                f"{entry.target}: {os.strerror(code)}",
                metadata={"path": entry.target, ERRNO: errno.errorcode.get(code, str(code))},
                retry_delay_s=5.0,
            )
        return ProbeAnswer(), found


def _key(entry: MountEntry) -> _Key:
    return entry.mount_id, entry.device, entry.target
