"""What the agent does from time to time, and how its background tasks are owned: one that breaks ends the agent."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from poolfleet_agent.control.journal import Journal
from poolfleet_agent.control.left_overs import LeftOvers
from poolfleet_agent.control.recovery import Recovery
from poolfleet_agent.control.retention import Retention
from poolfleet_agent.control.signs import SignsOfLife
from poolfleet_agent.model.errors import ModelError

_log = structlog.stdlib.get_logger(__name__)

_LONGEST_INTERVAL_S = 600.0
_STORE_INTERVAL_S = 5.0
_SWEEP_INTERVAL_S = 3600.0
_FIRST_SWEEP_INTERVAL_S = 1.0
_SIGNS_INTERVAL_S = 10.0
_OWED_INTERVAL_S = 15.0
"""How soon a share is looked at again that kept us from removing what we left on it."""


async def forget_old_operations(journal: Journal, retention: Retention) -> None:
    """Forget operations that ended long ago, with their request ids; for ever, ends by cancellation.

    Ends that could not be stored while the disk was full are stored too, once there is room.
    """
    now_s = asyncio.get_running_loop().time
    while True:
        try:
            await journal.forget_ended_before(await retention.ended_before_s())
        except ModelError as error:
            _log.warning("old operations stay for now", reason=error.reason, error=error.message)
        forget_at_s = now_s() + min(_LONGEST_INTERVAL_S, retention.kept_s)
        while (left_s := forget_at_s - now_s()) > 0:
            await asyncio.sleep(min(left_s, _STORE_INTERVAL_S))
            await journal.store_late()


async def sweep_left_overs(left_overs: LeftOvers, recovery: Recovery, *, after: Coroutine[Any, Any, None]) -> None:
    """Remove what agents that died left in the folders of pools, once `after` is done; ends by cancellation."""
    await after
    now_s = asyncio.get_running_loop().time
    sweep_at_s = now_s()
    while True:
        owed = await recovery.clean_owed()
        # A sweep reads every folder, which what is owed in one does not call for.
        if now_s() >= sweep_at_s:
            swept = await left_overs.sweep()
            sweep_at_s = now_s() + (_SWEEP_INTERVAL_S if swept else _FIRST_SWEEP_INTERVAL_S)
        until_sweep_s = max(0.0, sweep_at_s - now_s())
        await asyncio.sleep(min(until_sweep_s, _OWED_INTERVAL_S) if owed else until_sweep_s)


async def leave_signs_of_life(signs: SignsOfLife) -> None:
    """Leave this agent's sign in storages as they are adopted, and anew once a day; ends by cancellation."""
    while True:
        await signs.leave()
        await asyncio.sleep(_SIGNS_INTERVAL_S)


class Background:
    """The tasks that run beside the calls."""

    def __init__(self) -> None:
        """Begin with none."""
        self.broken = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run something until it ends or the agent does; where it raises, `broken` is set."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def close(self) -> None:
        """Cancel what runs, and wait for it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a task of the agent broke", task=task.get_name(), exc_info=error)
            self.broken.set()


async def first_of(*events: asyncio.Event) -> None:
    """Wait until one of the events is set."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waits:
            one.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
