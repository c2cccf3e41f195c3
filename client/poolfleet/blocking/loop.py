"""The one event loop, on a thread of its own, that all blocking clients of a process share."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from typing import Any, TypeVar

T = TypeVar("T")

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_owner = 0


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the background loop and return its result. An interrupted wait cancels it.

    Raises RuntimeError on the loop's own thread, where waiting would be for ever.
    """
    loop = _running()
    if asyncio._get_running_loop() is loop:
        coroutine.close()
        raise RuntimeError("the blocking client cannot be used on its own event loop: use poolfleet.aio there")
    future = asyncio.run_coroutine_threadsafe(coroutine, loop)
    try:
        return future.result()
    except CancelledError:
        raise
    except BaseException:
        # Ctrl-C, or what a signal handler raised: what nobody waits for any more ends.
        future.cancel()
        raise


def _running() -> asyncio.AbstractEventLoop:
    global _loop, _owner
    with _lock:
        # A child made by fork has the object and not the thread.
        if _loop is None or _owner != os.getpid():
            _loop, _owner = asyncio.new_event_loop(), os.getpid()
            threading.Thread(target=_loop.run_forever, name="poolfleet", daemon=True).start()
        return _loop
