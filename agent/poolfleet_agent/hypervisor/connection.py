"""The connections to one URI, kept for as long as the agent runs: opened, watched, replaced, opened again.

One connection carries events and nothing else; calls are spread over the others. When one of them breaks, all are
opened anew: it is the daemon that went. A connection on which a call hangs is replaced alone; it stays until its calls
are back.

Calls that may hang have connections of their own, if possible one for each server. Whoever calls on a connection on
which another call waits is served by that one's thread, and libvirt's client may fail to wake it: then nothing is sent
before the next keepalive, seconds later.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import libvirt
import structlog
import tenacity

from poolfleet_agent.hypervisor.detached import detached
from poolfleet_agent.hypervisor.events import Undo, watch_close
from poolfleet_agent.hypervisor.handle import Handle, connect, dotted
from poolfleet_agent.model.errors import ModelError, NotAskedError, Reason

LONGEST_BACKOFF_S = 2.0
OPEN_LIMIT_S = 5.0
MOST_OPENING = 2
AWAY_RETRY_DELAY_S = 2.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What one successful opening gave: one connection for events, the others for calls, and libvirt's version."""

    uri: str
    events: Handle
    handles: list[Handle]
    libvirt_version: str
    broken: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPlan:
    """How a session is made: `choose_uri` is asked at each opening; `prepare` registers on the connection for events,
    in a thread, and `changed` is told on the event loop. `handles`: connections for calls, and as many more as
    `network_handles` for those that may hang on a server; 0: these share the others."""

    choose_uri: Callable[[], str]
    handles: int
    network_handles: int = 0
    prepare: Callable[[libvirt.virConnect], Undo]
    changed: Callable[[bool], None]


class Session:
    """All connections to one URI. Calls enter and leave from threads; the rest belongs to the event loop."""

    def __init__(self, plan: SessionPlan) -> None:
        """Nothing is opened yet."""
        self._plan = plan
        self._lock = threading.Lock()
        self._opened: Opened | None = None
        self._opening: set[asyncio.Future[Opened]] = set()
        self._replacing: set[Handle] = set()
        self._replacements: set[asyncio.Task[None]] = set()
        self._lost = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._last_error = "not connected yet"

    @property
    def connected(self) -> bool:
        """Whether calls can be made."""
        return self._opened is not None

    @property
    def uri(self) -> str:
        """The URI that is or would be used."""
        return self._opened.uri if self._opened else self._plan.choose_uri()

    @property
    def libvirt_version(self) -> str:
        """The daemon's; empty while it is away."""
        return self._opened.libvirt_version if self._opened else ""

    def start(self) -> None:
        """Begin to connect, and keep connected until `close`."""
        self._keeper = asyncio.create_task(self._keep(), name=f"keep {self._plan.choose_uri()}")

    async def close(self) -> None:
        """Disconnect; what hangs is left behind."""
        for task in (self._keeper, *self._replacements):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        for opening in self._opening:
            opening.add_done_callback(self._close_opened)
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            await asyncio.wait({self._close_all(opened)}, timeout=OPEN_LIMIT_S)

    def enter(self, server: str | None = None) -> Handle:
        """Take a connection for a call that may hang on `server` (None: on none): LIBVIRT_UNAVAILABLE.

        In a thread; `leave` must follow.
        """
        with self._lock:
            if self._opened is None:
                raise self.away()
            local, network = self._opened.handles[: self._plan.handles], self._opened.handles[self._plan.handles :]
            if server is None or not network:
                handle = min(local, key=lambda handle: handle.calls)
            else:
                handle = min(network, key=lambda handle: (_strangers(handle, server), handle.calls))
            handle.calls += 1
            handle.server = server
            return handle

    def leave(self, handle: Handle) -> None:
        """Give a connection back. In a thread."""
        with self._lock:
            handle.calls -= 1
            last = handle.retired and not handle.calls
        if last:
            handle.close()

    def away(self) -> ModelError:
        """The error of a call that has no connection."""
        return NotAskedError(
            Reason.LIBVIRT_UNAVAILABLE,
            f"libvirt is not connected: {self._last_error}",
            metadata={"uri": self.uri},
            retry_delay_s=AWAY_RETRY_DELAY_S,
        )

    def replace(self, handle: Handle) -> None:
        """Open another connection in the place of one on which a call hangs."""
        if handle.retired or handle in self._replacing or self._opened is None:
            return
        self._replacing.add(handle)
        task = asyncio.create_task(self._replace(self._opened, handle))
        self._replacements.add(task)
        task.add_done_callback(self._replacements.discard)

    async def _keep(self) -> None:
        while True:
            self._lost.clear()
            opened = await self._open_until_it_works()
            with self._lock:
                self._opened = opened
            _log.info("libvirt connected", uri=opened.uri, version=opened.libvirt_version)
            self._plan.changed(True)
            if not opened.broken.is_set():
                await self._lost.wait()
            with self._lock:
                self._opened = None
            _log.warning("libvirt connection lost", uri=opened.uri, reason=self._last_error)
            self._plan.changed(False)
            self._close_all(opened)

    async def _open_until_it_works(self) -> Opened:
        attempts = tenacity.AsyncRetrying(
            wait=tenacity.wait_exponential(multiplier=0.05, max=LONGEST_BACKOFF_S) + tenacity.wait_random(0, 0.2),
            # Whatever it is, and for ever: without a connection the agent is of no use.
            retry=tenacity.retry_if_exception_type(Exception),
            before_sleep=self._log_failure,
        )
        return await attempts(self._open)

    async def _open(self) -> Opened:
        """Open in a thread, and wait a while; an attempt that takes longer is waited for by the next ones too."""
        if len(self._opening) < MOST_OPENING:
            loop = asyncio.get_running_loop()
            self._opening.add(detached(lambda: self._open_blocking(loop), name="libvirt-open"))
        done, _ = await asyncio.wait(self._opening, timeout=OPEN_LIMIT_S, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            raise TimeoutError(f"libvirt accepts connections and does not answer within {OPEN_LIMIT_S:g} s")
        first, *others = done
        self._opening -= done
        for other in others:
            self._close_opened(other)
        return first.result()

    def _open_blocking(self, loop: asyncio.AbstractEventLoop) -> Opened:
        uri = self._plan.choose_uri()
        handles: list[Handle] = []
        try:
            for _ in range(1 + self._plan.handles + self._plan.network_handles):
                handles.append(connect(uri))  # noqa: PERF401  what is open must be closed where the next fails
            events, *others = handles
            version = dotted(events.connection.getLibVersion())
            opened = Opened(uri=uri, events=events, handles=others, libvirt_version=version)
            for handle in handles:
                self._watch(loop, opened, handle)
            events.undo += self._plan.prepare(events.connection)
        except BaseException:
            for handle in handles:
                handle.close()
            raise
        return opened

    def _watch(self, loop: asyncio.AbstractEventLoop, opened: Opened, handle: Handle) -> None:
        """Give all of `opened` up when one of its connections breaks, but for one that was replaced. In a thread."""

        def tell(reason: str) -> None:
            if self._opened is opened and not handle.retired:
                self._last_error = reason
                self._lost.set()

        def broken(reason: str) -> None:
            if not handle.retired:
                opened.broken.set()
            # A closed loop has nobody left who could be told.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(tell, reason)

        handle.undo += watch_close(handle.connection, broken)

    async def _replace(self, opened: Opened, handle: Handle) -> None:
        loop = asyncio.get_running_loop()

        def connect_and_watch() -> Handle:
            new = connect(opened.uri)
            self._watch(loop, opened, new)
            return new

        replacing = detached(connect_and_watch, name="libvirt-replace")
        try:
            async with asyncio.timeout(OPEN_LIMIT_S):
                new = await asyncio.shield(replacing)
        except libvirt.libvirtError as error:
            _log.warning("libvirt connection not replaced", uri=opened.uri, error=str(error))
            return
        except BaseException as error:
            replacing.add_done_callback(_close_late)
            if isinstance(error, TimeoutError):
                return
            raise
        finally:
            self._replacing.discard(handle)
        with self._lock:
            unused: Handle | None = new
            if self._opened is opened:
                opened.handles[opened.handles.index(handle)] = new
                unused = handle if self._retire(handle) else None
        if unused is not None:
            detached(unused.close, name="libvirt-close")
        _log.warning("libvirt connection replaced: a call on it hangs", uri=opened.uri)

    def _retire(self, handle: Handle) -> bool:
        """Have the call that leaves last close the connection; true where none is there. With the lock held."""
        handle.retired = True
        return not handle.calls

    def _close_all(self, opened: Opened) -> asyncio.Future[None]:
        """Close what no call uses, leave the rest to its calls: libvirt must not free a connection under them."""
        with self._lock:
            idle = [handle for handle in (opened.events, *opened.handles) if self._retire(handle)]

        def close() -> None:
            for handle in idle:
                handle.close()

        return detached(close, name="libvirt-close")

    def _close_opened(self, opening: asyncio.Future[Opened]) -> None:
        if not opening.cancelled() and opening.exception() is None:
            self._close_all(opening.result())

    def _log_failure(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        message = str(error)
        if message != self._last_error:
            _log.warning("libvirt cannot be reached", uri=self._plan.choose_uri(), error=message)
        self._last_error = message


def _strangers(handle: Handle, server: str) -> int:
    """How bad company a connection's calls are for one to `server`: none at all is worse than its own."""
    if not handle.calls:
        return 1
    return 0 if handle.server == server else 2


def _close_late(opening: asyncio.Future[Handle]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        detached(opening.result().close, name="libvirt-close")
