"""How the agent ends: SIGTERM ends watches, refuses changes and waits for running work; a second one waits no more."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

_log = structlog.stdlib.get_logger(__name__)

_LAST_ANSWERS_S = 2.0
"""How long calls that are being answered may take once no work runs any more."""


class Stoppable(Protocol):
    """A gRPC server, as far as it matters here."""

    async def stop(self, grace: float | None) -> None:
        """Take no new calls; end the open ones after `grace` seconds."""
        ...


class StopSignals:
    """SIGTERM and SIGINT of this process, counted."""

    def __init__(self) -> None:
        """Take both over; needs the running loop of the main thread."""
        self.told = asyncio.Event()
        self.told_again = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.tell)

    def tell(self) -> None:
        """Do as if a signal had come."""
        (self.told_again if self.told.is_set() else self.told).set()


async def drain(
    server: Stoppable,
    signals: StopSignals,
    *,
    refuse: Callable[[], None],
    end_work: Callable[[float], Awaitable[None]],
    limit_s: float,
) -> None:
    """Refuse what is new, let running work end within `limit_s` seconds or until told again, then stop the server.

    What still runs then is not undone here: its record stays, and the next start says what became of it.
    """
    refuse()
    waits = [asyncio.ensure_future(end_work(limit_s)), asyncio.ensure_future(signals.told_again.wait())]
    try:
        await asyncio.wait(waits, timeout=limit_s + _LAST_ANSWERS_S, return_when=asyncio.FIRST_COMPLETED)
        if not waits[0].done():
            _log.warning("stopping while operations run", told_twice=signals.told_again.is_set())
    finally:
        for wait in waits:
            wait.cancel()
        results = await asyncio.gather(*waits, return_exceptions=True)
    if isinstance(results[0], Exception):
        _log.error("running work could not be waited for", exc_info=results[0])
    await server.stop(0 if signals.told_again.is_set() else _LAST_ANSWERS_S)
