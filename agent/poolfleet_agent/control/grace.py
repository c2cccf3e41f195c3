"""Waits out a server's grace period, so that libvirt need not: after its restart a server answers, but opens wait.

Before libvirt is asked to start or refresh a pool on a network mount, which opens every file, one file is opened here.
All who need the pool wait behind that one open, which is never made twice; libvirt is asked once it has succeeded.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

from poolfleet_agent.inventory.pool_mounts import PoolMounts
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.pool import PoolDefinition
from poolfleet_agent.model.ports import Files

LONGEST_GRACE_S = 150.0
"""How long an open is waited for: Linux has 90 s of grace."""

SAID_AFTER_S = 1.5
"""An open that takes longer than this is said to be one in grace."""

RETRY_S = 10.0

MESSAGE = "SERVER_IN_GRACE: the server answers, and lets nobody open a file yet, as after its restart"

Say = Callable[[str], Awaitable[None]]


@dataclass(kw_only=True)
class ServerGrace:
    """The opens that wait, by target."""

    files: Files
    mounts: PoolMounts
    longest_s: float = LONGEST_GRACE_S
    _opens: "dict[str, asyncio.Task[None]]" = field(default_factory=dict)

    async def passed(self, definition: PoolDefinition, say: Say) -> None:
        """Return when a file of the pool can be opened, at once for a local pool; `say` is told of a wait.

        SERVER_IN_GRACE where that is not so within the limit, POOL_UNRESPONSIVE where the share falls silent.
        """
        target, mount = self.mounts.place(definition)
        if mount is None:
            return
        await self.mounts.while_answering(definition, self._opened(target, say))

    async def close(self) -> None:
        """Wait for no open any more."""
        for task in self._opens.values():
            task.cancel()
        await asyncio.gather(*self._opens.values(), return_exceptions=True)

    async def _opened(self, target: str, say: Say) -> None:
        opening = self._opens.get(target)
        if opening is None:
            opening = self._opens[target] = asyncio.create_task(self._open(target), name=f"open a file of {target}")
            opening.add_done_callback(partial(self._ended, target))
        done, _ = await asyncio.wait({opening}, timeout=SAID_AFTER_S)
        if not done:
            await say(MESSAGE)
            done, _ = await asyncio.wait({opening}, timeout=self.longest_s)
        if not done:
            raise ModelError(
                Reason.SERVER_IN_GRACE,
                f"no file of {target} could be opened within {self.longest_s:g} s, though its server answers",
                metadata={"path": target},
                retry_delay_s=RETRY_S,
            )
        opening.result()

    def _ended(self, target: str, opening: asyncio.Task[None]) -> None:
        del self._opens[target]
        if not opening.cancelled():
            opening.exception()  # known, also where all who waited have left

    async def _open(self, target: str) -> None:
        try:
            await self.files.open_first(target, timeout_s=2 * self.longest_s)
        except ModelError as error:
            # Anything else is the server's answer: what libvirt makes of it, libvirt says.
            if error.reason is Reason.POOL_UNRESPONSIVE:
                raise
