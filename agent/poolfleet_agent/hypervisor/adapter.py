"""The port model.ports.Hypervisor on libvirt: which call runs where, under which limit, and how it may fail."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import libvirt
import structlog

from poolfleet_agent.hypervisor import pools, uris, volumes
from poolfleet_agent.hypervisor.calls import CallCounters, CallLimits, Calls
from poolfleet_agent.hypervisor.connection import Handle, Session, SessionPlan, client_version
from poolfleet_agent.hypervisor.documents import LibvirtDocuments
from poolfleet_agent.hypervisor.errors import Subject, translate
from poolfleet_agent.hypervisor.events import EVENT_THREAD, watch_pools
from poolfleet_agent.model.domain_disk import DomainReading
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.pool import PoolFacts
from poolfleet_agent.model.ports import BuildMode, ConnectionEvent, HypervisorEvent, HypervisorFacts
from poolfleet_agent.model.volume import VolumeFacts, VolumeListing

T = TypeVar("T")

_log = structlog.get_logger(__name__)

STORAGE_CONNECTIONS = 3
POOLS_AT_ONCE = 4
VOLUMES_PER_CALL = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class HypervisorSettings:
    """How libvirt is reached, and how long it may take.

    `storage_uri`, `domain_uris`: None: chosen by what is there. `call_timeout_s` is for reads and for changes of
    definitions, `work_timeout_s` for what mounts, formats, allocates or removes.
    """

    storage_uri: str | None = None
    domain_uris: tuple[str, ...] | None = None
    call_timeout_s: float = 30.0
    work_timeout_s: float = 6 * 3600.0
    limits: CallLimits = field(default_factory=CallLimits)


class Libvirt:
    """libvirt of this host. Belongs to the event loop on which `start` is called."""

    def __init__(self, settings: HypervisorSettings) -> None:
        """Nothing is connected yet."""
        self.documents = LibvirtDocuments()
        self._settings = settings
        self._calls = Calls(settings.limits)
        self._listeners: list[Callable[[HypervisorEvent], None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._storage = Session(
            SessionPlan(
                choose_uri=self._choose_storage_uri,
                handles=STORAGE_CONNECTIONS,
                watch=lambda connection: watch_pools(connection, self._deliver),
                changed=lambda connected: self._tell(ConnectionEvent(connected=connected)),
            )
        )

    async def start(self) -> None:
        """Begin to connect, and return at once, whether libvirt is there or not."""
        self._loop = asyncio.get_running_loop()
        EVENT_THREAD.hold()
        self._storage.start()

    async def close(self) -> None:
        """Disconnect; calls that hang are left behind."""
        self._calls.close()
        await self._storage.close()
        EVENT_THREAD.release()

    @property
    def counters(self) -> CallCounters:
        """The calls, for metrics."""
        return self._calls.counters

    def facts(self) -> HypervisorFacts:
        """What is known of the connection, at once."""
        return HypervisorFacts(
            connected=self._storage.connected,
            storage_uri=self._storage.uri,
            domain_uris=(),
            libvirt_version=self._storage.libvirt_version,
            client_version=client_version(),
        )

    def subscribe(self, listener: Callable[[HypervisorEvent], None]) -> None:
        """Have events told on the event loop, in order. The listener must not block."""
        self._listeners.append(listener)

    async def list_pools(self) -> Sequence[PoolFacts]:
        """Read all pools. One that fails alone is left out and logged; LIBVIRT_UNAVAILABLE where none can be read."""
        names = await self._quick(pools.names, Subject())
        found: list[PoolFacts | None] = []
        for first in range(0, len(names), POOLS_AT_ONCE):
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._read_listed(name)) for name in names[first : first + POOLS_AT_ONCE]]
            found += [task.result() for task in tasks]
        if not self._storage.connected:
            raise self._storage.away()
        return [facts for facts in found if facts is not None]

    async def read_pool(self, pool: str, *, server: str | None) -> PoolFacts:
        """Read one pool: POOL_NOT_FOUND."""
        return await self._quick(lambda connection: pools.read(connection, pool), Subject(pool), server)

    async def define_pool(self, xml: str) -> str:
        """Store a definition; the answer is its name."""
        return await self._quick(lambda connection: pools.define(connection, xml), Subject())

    async def create_pool(self, xml: str, *, server: str | None) -> str:
        """Start a transient pool; the answer is its name."""
        return await self._work(lambda connection: pools.create(connection, xml), Subject(), server)

    async def undefine_pool(self, pool: str, *, server: str | None) -> None:
        """Forget the stored definition."""
        await self._quick(lambda connection: pools.undefine(connection, pool), Subject(pool), server)

    async def start_pool(self, pool: str, *, server: str | None) -> None:
        """Start."""
        await self._work(lambda connection: pools.start(connection, pool), Subject(pool), server)

    async def stop_pool(self, pool: str, *, server: str | None) -> None:
        """Stop (libvirt's destroy)."""
        await self._work(lambda connection: pools.stop(connection, pool), Subject(pool), server)

    async def build_pool(self, pool: str, mode: BuildMode, *, server: str | None) -> None:
        """Build."""
        await self._work(lambda connection: pools.build(connection, pool, mode), Subject(pool), server)

    async def erase_pool(self, pool: str, *, server: str | None) -> None:
        """Destroy what is stored (libvirt's delete)."""
        await self._work(lambda connection: pools.erase(connection, pool), Subject(pool), server)

    async def refresh_pool(self, pool: str, *, server: str | None) -> None:
        """Have libvirt read the volumes anew."""
        await self._work(lambda connection: pools.refresh(connection, pool), Subject(pool), server)

    async def set_pool_autostart(self, pool: str, *, autostart: bool, server: str | None) -> None:
        """Set autostart."""
        work = lambda connection: pools.set_autostart(connection, pool, autostart=autostart)  # noqa: E731
        await self._quick(work, Subject(pool), server)

    async def list_volumes(self, pool: str, *, server: str | None) -> VolumeListing:
        """Read all volumes of a pool: POOL_NOT_FOUND, POOL_NOT_ACTIVE. Others get their turn between two calls."""
        listed = await self._quick(lambda connection: volumes.listed(connection, pool), Subject(pool), server)
        found: list[VolumeFacts] = []
        unaddressable_count = 0
        while listed:
            facts, count = await self._quick(lambda _: volumes.read_some(pool, _take(listed)), Subject(pool), server)
            found += facts
            unaddressable_count += count
        return VolumeListing(volumes=tuple(found), unaddressable_count=unaddressable_count)

    async def read_volume(self, pool: str, volume: str, *, server: str | None) -> VolumeFacts:
        """Read one volume, with its XML: VOLUME_NOT_FOUND."""
        return await self._quick(
            lambda connection: volumes.read(connection, pool, volume), Subject(pool, volume), server
        )

    async def create_volume(self, pool: str, xml: str, *, server: str | None) -> VolumeFacts:
        """Create a volume: VOLUME_EXISTS, FULL, …"""
        subject = Subject(pool, self.documents.parse_volume(xml).name)
        return await self._work(lambda connection: volumes.create(connection, pool, xml), subject, server)

    async def delete_volume(self, pool: str, volume: str, *, server: str | None) -> None:
        """Delete a volume: VOLUME_NOT_FOUND."""
        subject = Subject(pool, volume)
        await self._work(lambda connection: volumes.delete(connection, pool, volume), subject, server)

    async def read_domains(self) -> DomainReading:
        """Read what the domains refer to, on every domain URI; never raises for a URI that fails: `missing` says it."""
        return DomainReading(references=())

    async def _read_listed(self, name: str) -> PoolFacts | None:
        try:
            return await self.read_pool(name, server=None)
        except ModelError as error:
            if error.reason is not Reason.POOL_NOT_FOUND:
                _log.warning("pool left out", pool=name, reason=error.reason, error=error.message)
            return None

    async def _quick(self, work: Callable[[libvirt.virConnect], T], subject: Subject, server: str | None = None) -> T:
        late = Reason.LIBVIRT_UNAVAILABLE if server is None else Reason.POOL_UNRESPONSIVE
        return await self._call(self._storage, work, subject, server, self._settings.call_timeout_s, late)

    async def _work(self, work: Callable[[libvirt.virConnect], T], subject: Subject, server: str | None) -> T:
        late = Reason.OPERATION_TIMED_OUT
        return await self._call(self._storage, work, subject, server, self._settings.work_timeout_s, late)

    async def _call(
        self,
        session: Session,
        work: Callable[[libvirt.virConnect], T],
        subject: Subject,
        server: str | None,
        timeout_s: float,
        late: Reason,
    ) -> T:
        if not session.connected:
            raise session.away()
        entered: list[Handle] = []

        def job() -> T:
            handle = session.enter()
            entered.append(handle)
            try:
                return work(handle.connection)
            except libvirt.libvirtError as error:
                failure = translate(error, subject, connected=handle.connection.isAlive() == 1)
            finally:
                session.leave(handle)
            raise failure

        def abandoned() -> None:
            if entered:
                session.replace(entered[0])

        try:
            return await self._calls.run(job, timeout_s=timeout_s, server=server, late=late, abandoned=abandoned)
        except ModelError as error:
            error.metadata = subject.metadata | error.metadata
            raise
        except Exception as error:
            _log.exception("libvirt call failed unforeseen", **subject.metadata)
            raise ModelError(Reason.INTERNAL, f"unforeseen: {error!r}", metadata=subject.metadata) from error

    def _choose_storage_uri(self) -> str:
        return self._settings.storage_uri or uris.default_storage_uri()

    def _deliver(self, event: HypervisorEvent) -> None:
        """From the event thread to the event loop."""
        # A closed loop has no listeners left.
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._tell, event)

    def _tell(self, event: HypervisorEvent) -> None:
        for listener in self._listeners:
            listener(event)


def _take(listed: list[libvirt.virStorageVol]) -> list[libvirt.virStorageVol]:
    """Remove some from the end of a list, to be read and freed in a thread."""
    taken = listed[-VOLUMES_PER_CALL:]
    del listed[-VOLUMES_PER_CALL:]
    return taken
