"""libvirt's events: one thread of the process runs libvirt's event loop, callbacks in it hand over and return.

libvirt's client calls the functions of an event loop from any thread, which asyncio forbids: so it is libvirt's own
loop, and not asyncio's.
"""

import contextlib
import threading
from collections.abc import Callable, Sequence
from functools import partial

import libvirt
import structlog

from poolfleet_agent.model.ports import DomainEvent, HypervisorEvent, PoolEvent, PoolEventKind

Deliver = Callable[[HypervisorEvent], None]

Undo = Sequence[Callable[[], object]]
"""What takes a registration back. Each holds on to its connection, which is not closed before all are called."""

_log = structlog.get_logger(__name__)

_KINDS = {
    libvirt.VIR_STORAGE_POOL_EVENT_DEFINED: PoolEventKind.DEFINED,
    libvirt.VIR_STORAGE_POOL_EVENT_UNDEFINED: PoolEventKind.UNDEFINED,
    libvirt.VIR_STORAGE_POOL_EVENT_STARTED: PoolEventKind.STARTED,
    libvirt.VIR_STORAGE_POOL_EVENT_STOPPED: PoolEventKind.STOPPED,
    libvirt.VIR_STORAGE_POOL_EVENT_CREATED: PoolEventKind.CREATED,
    libvirt.VIR_STORAGE_POOL_EVENT_DELETED: PoolEventKind.DELETED,
}

_DOMAIN_EVENTS = (
    libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE,
    libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_ADDED,
    libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED,
    libvirt.VIR_DOMAIN_EVENT_ID_DISK_CHANGE,
    libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2,
)

_CLOSE_REASONS = {
    libvirt.VIR_CONNECT_CLOSE_REASON_ERROR: "error",
    libvirt.VIR_CONNECT_CLOSE_REASON_EOF: "end of file",
    libvirt.VIR_CONNECT_CLOSE_REASON_KEEPALIVE: "no answer to keepalive",
    libvirt.VIR_CONNECT_CLOSE_REASON_CLIENT: "closed by us",
}

_STOP_LIMIT_S = 5.0
_LAST_TURNS = 3
_PAUSE_S = 0.005


class EventThread:
    """libvirt's event loop. There is one in a process: it runs while anybody holds it."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._lock = threading.Lock()
        self._holders = 0
        self._registered = False
        self._timer = -1
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def hold(self) -> None:
        """Have it run; before the first connection is opened."""
        with self._lock:
            self._holders += 1
            if self._holders > 1:
                return
            if not self._registered:
                libvirt.virEventRegisterDefaultImpl()
                libvirt.registerErrorHandler(_ignore, None)
                # Never due by itself: moving it to now is what wakes the thread.
                self._timer = libvirt.virEventAddTimeout(-1, _ignore, None)
                self._registered = True
            self._stop = threading.Event()
            self._thread = threading.Thread(target=self._run, args=(self._stop,), name="libvirt-events", daemon=True)
            self._thread.start()

    def release(self) -> None:
        """Let it end where nobody else holds it, and wait for that; blocks for milliseconds."""
        with self._lock:
            self._holders -= 1
            thread = self._thread
            if self._holders or thread is None:
                return
            self._stop.set()
            libvirt.virEventUpdateTimeout(self._timer, 0)
            thread.join(_STOP_LIMIT_S)
            self._thread = None

    def _run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                libvirt.virEventRunDefaultImpl()
                # Every call on a connection wakes its event loop twice, for nothing, but only while the loop waits:
                # a pause between two turns makes of the twelve times that reading a pool costs at most one.
                stop.wait(_PAUSE_S)
            except libvirt.libvirtError as error:
                _log.error("libvirt event loop failed", error=str(error))
                stop.wait(1.0)
        # What closed connections had registered is freed in the turns after; the timer, due by now, lets none wait.
        with contextlib.suppress(libvirt.libvirtError):
            for _ in range(_LAST_TURNS):
                libvirt.virEventUpdateTimeout(self._timer, 0)
                libvirt.virEventRunDefaultImpl()
        libvirt.virEventUpdateTimeout(self._timer, -1)


EVENT_THREAD = EventThread()


def watch_pools(connection: libvirt.virConnect, deliver: Deliver) -> Undo:
    """Have pool events of a connection delivered, in the event thread."""

    def lifecycle(_connection: object, pool: libvirt.virStoragePool, event: int, _detail: int, _opaque: None) -> None:
        if (kind := _KINDS.get(event)) is not None:
            deliver(PoolEvent(kind=kind, pool=pool.name(), uuid=pool.UUIDString()))

    def refreshed(_connection: object, pool: libvirt.virStoragePool, _opaque: None) -> None:
        deliver(PoolEvent(kind=PoolEventKind.REFRESHED, pool=pool.name()))

    register = connection.storagePoolEventRegisterAny
    registered = (
        register(None, libvirt.VIR_STORAGE_POOL_EVENT_ID_LIFECYCLE, lifecycle, None),
        register(None, libvirt.VIR_STORAGE_POOL_EVENT_ID_REFRESH, refreshed, None),
    )
    return [partial(connection.storagePoolEventDeregisterAny, one) for one in registered]


def watch_domains(connection: libvirt.virConnect, deliver: Deliver) -> Undo:
    """Have events that may change what domains refer to delivered, in the event thread."""

    def changed(_connection: object, domain: libvirt.virDomain, *_details: object) -> None:
        deliver(DomainEvent(domain=domain.name()))

    registered = [connection.domainEventRegisterAny(None, event, changed, None) for event in _DOMAIN_EVENTS]
    return [partial(connection.domainEventDeregisterAny, one) for one in registered]


def watch_close(connection: libvirt.virConnect, closed: Callable[[str], None]) -> Undo:
    """Have `closed` called with a reason when the connection breaks, in the event thread."""

    def broken(_connection: object, reason: int, _opaque: None) -> None:
        closed(_CLOSE_REASONS.get(reason, str(reason)))

    connection.registerCloseCallback(broken, None)
    return [connection.unregisterCloseCallback]


def _ignore(*_arguments: object) -> None:
    """What libvirt tells twice, or what only wakes the thread."""
