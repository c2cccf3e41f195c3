"""The bounded pool of threads for libvirt's blocking calls, and who may have one of them when.

A call that hangs cannot be cancelled: its caller's limit ends the wait, while thread and place stay taken until libvirt
comes back. So the places are few and shared out: some for network pools, of them a few for one server, and the rest
stays free for what cannot hang.
"""

import asyncio
import contextlib
import queue
import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from poolfleet_agent.model.errors import ModelError, NotAskedError, Reason

T = TypeVar("T")

BUSY_RETRY_DELAY_S = 1.0

LONG_S = 2.0
"""A call that may wait for a server and takes longer is taken for hung, where that server is dead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLimits:
    """How many calls may be at work and waiting. libvirtd has 20 workers, and serves 5 calls of one connection."""

    total: int = 12
    network: int = 6
    server: int = 2
    waiting: int = 256
    waiting_network: int = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCounters:
    """For metrics. Now: `in_flight`, of them `hung` (their callers are gone), `waiting`; ever: `waited`, `refused`."""

    in_flight: int
    hung: int
    waiting: int
    waited: int
    refused: int


@dataclass(slots=True, eq=False)
class _Call:
    work: Callable[[], Any]
    future: asyncio.Future[Any]
    server: str | None
    pool: str
    proven: Callable[[], None] | None
    started: bool = False
    began_at_s: float = 0.0
    abandoned: bool = False


class Calls:
    """Runs blocking functions in threads of its own; belongs to one event loop."""

    def __init__(self, limits: CallLimits = CallLimits()) -> None:
        """No thread is started before it is needed."""
        self._limits = limits
        self._in_flight = 0
        self._network = 0
        self._of_server: Counter[str] = Counter()
        self._hung = 0
        self._waiting: deque[_Call] = deque()
        self._waited = 0
        self._refused = 0
        self._threads = 0
        self._running: set[_Call] = set()
        self._back = asyncio.Event()
        """Set, and made anew, when a call is back."""
        self._queue: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._closed = False

    @property
    def counters(self) -> CallCounters:
        """As they are now."""
        return CallCounters(
            in_flight=self._in_flight,
            hung=self._hung,
            waiting=len(self._waiting),
            waited=self._waited,
            refused=self._refused,
        )

    async def run(
        self,
        work: Callable[[], T],
        *,
        timeout_s: float,
        server: str | None = None,
        pool: str = "",
        proven: Callable[[], None] | None = None,
        late: Reason = Reason.OPERATION_TIMED_OUT,
        abandoned: Callable[[], None] | None = None,
    ) -> T:
        """Run `work` in a thread, and wait for it at most `timeout_s` seconds: `late`, or what `work` raises.

        TOO_BUSY where no place came free, or too many wait already. Where the wait ends while `work` goes on,
        `abandoned` is called. `pool`: what it is about, for until_back. `proven` is called, on the event loop, in the
        moment in which `work` begins, for which it may have waited: where it raises, `work` is not done.
        """
        call = _Call(work, asyncio.get_running_loop().create_future(), server, pool, proven)
        self._admit(call)
        try:
            async with asyncio.timeout(timeout_s) as limit:
                result: T = await call.future
                return result
        except TimeoutError:
            if not limit.expired():
                raise
            raise self._too_late(call, timeout_s, late) from None
        finally:
            if call.future.cancelled():
                self._abandon(call, abandoned)

    def hangs(self, pool: str) -> bool:
        """Whether a call about a pool was given up and is not back, or may wait for a server and takes long."""
        late = asyncio.get_running_loop().time() - LONG_S
        return any(
            call.pool == pool and (call.abandoned or (call.server is not None and call.began_at_s < late))
            for call in self._running
        )

    async def until_back(self, pool: str) -> None:
        """Wait for the calls about a pool that are under way now, those that hang too; the caller sets the limit."""
        awaited = {call for call in self._running if call.pool == pool}
        while awaited & self._running:
            await self._back.wait()

    def close(self) -> None:
        """Refuse what waits and what comes; idle threads end, others when their call is back."""
        self._closed = True
        while self._waiting:
            call = self._waiting.popleft()
            if not call.future.done():
                call.future.set_exception(_stopping())
        for _ in range(self._threads):
            self._queue.put(None)

    def _admit(self, call: _Call) -> None:
        if self._closed:
            raise _stopping()
        if self._has_place(call.server):
            self._start(call)
            return
        waiting_network = sum(waiting.server is not None for waiting in self._waiting)
        if len(self._waiting) >= self._limits.waiting or (
            call.server is not None and waiting_network >= self._limits.waiting_network
        ):
            self._refused += 1
            raise NotAskedError(
                Reason.TOO_BUSY,
                f"{len(self._waiting)} calls wait for libvirt already",
                metadata={"waiting": str(len(self._waiting))},
                retry_delay_s=BUSY_RETRY_DELAY_S,
            )
        self._waited += 1
        self._waiting.append(call)

    def _has_place(self, server: str | None) -> bool:
        limits = self._limits
        if self._in_flight >= limits.total:
            return False
        return server is None or (self._network < limits.network and self._of_server[server] < limits.server)

    def _start(self, call: _Call) -> None:
        if call.proven is not None:
            try:
                call.proven()
            except ModelError as error:
                if not call.future.done():
                    call.future.set_exception(error)
                return
        call.started = True
        call.began_at_s = call.future.get_loop().time()
        self._running.add(call)
        self._in_flight += 1
        if call.server is not None:
            self._network += 1
            self._of_server[call.server] += 1
        if self._in_flight > self._threads:
            self._threads += 1
            name = f"libvirt-call-{self._threads}"
            threading.Thread(target=self._serve, args=(call.future.get_loop(),), name=name, daemon=True).start()
        self._queue.put(call)

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        # A closed loop has no caller left who could be told.
        with contextlib.suppress(RuntimeError):
            while (call := self._queue.get()) is not None:
                result, error = None, None
                try:
                    result = call.work()
                except BaseException as raised:  # noqa: BLE001  it is the caller's, whatever it is
                    error = raised
                loop.call_soon_threadsafe(self._finished, call, result, error)
                # What a call was about must not live on while the thread waits for the next.
                del call, result, error

    def _finished(self, call: _Call, result: object, error: BaseException | None) -> None:
        self._running.discard(call)
        self._back.set()
        self._back = asyncio.Event()
        self._in_flight -= 1
        if call.server is not None:
            self._network -= 1
            self._of_server[call.server] -= 1
            if not self._of_server[call.server]:
                del self._of_server[call.server]
        if call.abandoned:
            self._hung -= 1
        if not call.future.done():
            if error is None:
                call.future.set_result(result)
            else:
                call.future.set_exception(error)
        for waiting in tuple(self._waiting):
            if self._has_place(waiting.server):
                self._waiting.remove(waiting)
                self._start(waiting)

    def _abandon(self, call: _Call, abandoned: Callable[[], None] | None) -> None:
        if not call.started:
            with contextlib.suppress(ValueError):
                self._waiting.remove(call)
            return
        call.abandoned = True
        self._hung += 1
        if abandoned is not None:
            abandoned()

    def _too_late(self, call: _Call, timeout_s: float, late: Reason) -> ModelError:
        metadata = {"timeout_s": f"{timeout_s:g}"}
        if not call.started:
            message = f"no libvirt call came free within {timeout_s:g} s"
            return NotAskedError(Reason.TOO_BUSY, message, metadata=metadata, retry_delay_s=BUSY_RETRY_DELAY_S)
        message = f"libvirt did not answer within {timeout_s:g} s"
        return ModelError(late, message, metadata=metadata, retry_delay_s=BUSY_RETRY_DELAY_S)


def _stopping() -> ModelError:
    return NotAskedError(Reason.AGENT_STOPPING, "the agent is stopping", retry_delay_s=BUSY_RETRY_DELAY_S)
