"""The one event loop, on a thread of its own, that all blocking clients of a process share."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future
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
    # Made before anything is begun: whenever the caller is interrupted, there is something to cancel.
    answer: Future[T] = Future()
    try:
        loop.call_soon_threadsafe(_begin, coroutine, answer)
        return answer.result()
    except CancelledError:
        raise
    except BaseException:
        # Ctrl-C, or what a signal handler raised: what nobody waits for any more ends.
        answer.cancel()
        raise


def _begin(coroutine: Coroutine[Any, Any, T], answer: Future[T]) -> None:
    """Have the coroutine give the answer, and end where that is cancelled. On the loop."""
    loop = asyncio.get_running_loop()
    task = loop.create_task(coroutine)

    def ended(_: asyncio.Task[T]) -> None:
        if task.cancelled():
            answer.cancel()
            return
        error = task.exception()
        if not answer.set_running_or_notify_cancel():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(task.result())

    def left(_: Future[T]) -> None:
        if answer.cancelled():
            loop.call_soon_threadsafe(task.cancel)

    task.add_done_callback(ended)
    answer.add_done_callback(left)


def _running() -> asyncio.AbstractEventLoop:
    global _loop, _owner
    with _lock:
        # A child made by fork has the object and not the thread.
        if _loop is None or _owner != os.getpid():
            _loop, _owner = asyncio.new_event_loop(), os.getpid()
            threading.Thread(target=_loop.run_forever, name="poolfleet", daemon=True).start()
        return _loop
