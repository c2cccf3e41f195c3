"""The port model.ports.Hypervisor on libvirt: which call runs where, under which limit, and how it may fail."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import libvirt
import structlog

from poolfleet_agent.hypervisor import capabilities, domains, pools, uris, volumes
from poolfleet_agent.hypervisor.caller import Caller, Limit
from poolfleet_agent.hypervisor.calls import CallCounters, CallLimits, Calls
from poolfleet_agent.hypervisor.connection import Session, SessionPlan
from poolfleet_agent.hypervisor.documents import LibvirtDocuments
from poolfleet_agent.hypervisor.errors import Subject
from poolfleet_agent.hypervisor.events import EVENT_THREAD, Undo, watch_domains, watch_pools
from poolfleet_agent.hypervisor.handle import client_version
from poolfleet_agent.hypervisor.secret_keeper import LibvirtSecrets
from poolfleet_agent.model.domain_disk import DomainReading
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.pool import PoolFacts
from poolfleet_agent.model.ports import (
    BuildMode,
    ConnectionEvent,
    Documents,
    DomainEvent,
    HypervisorEvent,
    HypervisorFacts,
    Secrets,
)
from poolfleet_agent.model.secret import SecretReading
from poolfleet_agent.model.volume import VolumeFacts, VolumeListing

T = TypeVar("T")

_log = structlog.get_logger(__name__)

STORAGE_CONNECTIONS = 3
NETWORK_STORAGE_CONNECTIONS = 3
"""As many servers as may have all their calls hang at once: CallLimits."""

VOLUMES_PER_CALL = 200
_EVERY_POOL = "every pool:"
DOMAINS_PER_CALL = 50

Work = Callable[[libvirt.virConnect], T]
ReadSomeDomains = Callable[[libvirt.virConnect, list[libvirt.virDomain]], tuple[list[T], list[str]]]


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
        self.documents: Documents = LibvirtDocuments()
        self._settings = settings
        self._calls = Calls(settings.limits)
        self._listeners: list[Callable[[HypervisorEvent], None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pool_types: tuple[str, ...] = ()
        self._host = capabilities.HostCapabilities()
        self._learning: asyncio.Task[None] | None = None
        self._storage = Session(
            SessionPlan(
                choose_uri=lambda: settings.storage_uri or uris.default_storage_uri(),
                handles=STORAGE_CONNECTIONS,
                network_handles=NETWORK_STORAGE_CONNECTIONS,
                prepare=self._prepare_storage,
                changed=lambda connected: self._tell(ConnectionEvent(connected=connected)),
            )
        )
        self.secrets: Secrets = LibvirtSecrets(
            Caller(self._calls, self._storage), lambda: self._storage.uri, timeout_s=settings.call_timeout_s
        )
        domain_uris = settings.domain_uris
        if domain_uris is None:
            domain_uris = uris.default_domain_uris(self._storage.uri)
        self._domain_uris = domain_uris
        self._domains = tuple(self._domain_session(uri) for uri in domain_uris)

    async def start(self) -> None:
        """Begin to connect, and return at once, whether libvirt is there or not."""
        self._loop = asyncio.get_running_loop()
        EVENT_THREAD.hold()
        for session in (self._storage, *self._domains):
            session.start()

    async def close(self) -> None:
        """Disconnect; calls that hang are left behind."""
        self._calls.close()
        if self._learning is not None:
            self._learning.cancel()
            await asyncio.gather(self._learning, return_exceptions=True)
        for session in (*self._domains, self._storage):
            await session.close()
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
            domain_uris=self._domain_uris,
            libvirt_version=self._storage.libvirt_version,
            client_version=client_version(),
            host_uuid=self._host.host_uuid,
            pool_types=self._pool_types,
            qemu_user=self._host.qemu_user,
        )

    def subscribe(self, listener: Callable[[HypervisorEvent], None]) -> None:
        """Have events told on the event loop, in order. The listener must not block."""
        self._listeners.append(listener)

    async def pool_names(self) -> Sequence[str]:
        """Names of all pools. LIBVIRT_UNAVAILABLE."""
        # One share that hangs in libvirt makes this hang too: it has no more places than a server's calls.
        limit = Limit(self._settings.call_timeout_s, Reason.LIBVIRT_UNAVAILABLE)
        return await Caller(self._calls, self._storage).call(pools.names, Subject(), server=_EVERY_POOL, limit=limit)

    async def read_pool(self, pool: str, *, server: str | None) -> PoolFacts:
        """Read one pool: POOL_NOT_FOUND."""
        return await self._quick(lambda connection: pools.read(connection, pool), Subject(pool), server)

    async def find_pool_sources(self, pool_type: str, xml: str, *, server: str | None) -> str:
        """Have libvirt look for sources of pools, where `xml` says: NOT_SUPPORTED_HERE, WRONG_STATE."""
        return await self._quick(lambda connection: pools.find_sources(connection, pool_type, xml), Subject(), server)

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

    def pool_hangs(self, pool: str) -> bool:
        """Whether libvirt hangs in a call about a pool, as it seems: it is long under way, or given up. At once."""
        return self._calls.hangs(pool)

    async def until_pool_calls_are_back(self, pool: str) -> None:
        """Wait for the calls about a pool that are under way now, those that hang too; the caller sets the limit."""
        await self._calls.until_back(pool)

    async def build_pool(
        self, pool: str, mode: BuildMode, *, server: str | None, proven: Callable[[], None] | None = None
    ) -> None:
        """Build."""
        await self._work(lambda connection: pools.build(connection, pool, mode), Subject(pool), server, proven)

    async def erase_pool(self, pool: str, *, server: str | None, proven: Callable[[], None] | None = None) -> None:
        """Destroy what is stored (libvirt's delete)."""
        await self._work(lambda connection: pools.erase(connection, pool), Subject(pool), server, proven)

    async def refresh_pool(self, pool: str, *, server: str | None) -> None:
        """Have libvirt read the volumes anew."""
        await self._work(lambda connection: pools.refresh(connection, pool), Subject(pool), server)

    async def set_pool_autostart(self, pool: str, *, autostart: bool, server: str | None) -> None:
        """Set autostart."""
        await self._quick(partial(pools.set_autostart, name=pool, autostart=autostart), Subject(pool), server)

    async def list_volumes(self, pool: str, *, server: str | None) -> VolumeListing:
        """Read all volumes of a pool: POOL_NOT_FOUND, POOL_NOT_ACTIVE. Others get their turn between two calls."""
        listed = await self._quick(lambda connection: volumes.listed(connection, pool), Subject(pool), server)
        found: list[VolumeFacts] = []
        unaddressable_count = 0
        while listed:
            facts, count = await self._quick(partial(_read_some_volumes, pool, listed), Subject(pool), server)
            found += facts
            unaddressable_count += count
        return VolumeListing(volumes=tuple(found), unaddressable_count=unaddressable_count)

    async def read_volume(self, pool: str, volume: str, *, server: str | None) -> VolumeFacts:
        """Read one volume, with its XML: VOLUME_NOT_FOUND."""
        return await self._quick(
            lambda connection: volumes.read(connection, pool, volume), Subject(pool, volume), server
        )

    async def create_volume(
        self,
        pool: str,
        xml: str,
        *,
        server: str | None,
        proven: Callable[[], None] | None = None,
        preallocate: bool = False,
    ) -> VolumeFacts:
        """Create a volume: VOLUME_EXISTS, FULL, …"""
        subject = Subject(pool, self.documents.parse_volume(xml).name, on_network=server is not None)
        return await self._work(
            lambda connection: volumes.create(connection, pool, xml, preallocate=preallocate), subject, server, proven
        )

    async def clone_volume(
        self,
        pool: str,
        xml: str,
        source: tuple[str, str],
        *,
        server: str | None,
        proven: Callable[[], None] | None = None,
    ) -> VolumeFacts:
        """Create a volume that holds what another one does (pool and name): as create_volume."""
        subject = Subject(pool, self.documents.parse_volume(xml).name, on_network=server is not None)
        return await self._work(
            lambda connection: volumes.clone(connection, pool, xml, source), subject, server, proven
        )

    async def delete_volume(
        self, pool: str, volume: str, *, server: str | None, proven: Callable[[], None] | None = None
    ) -> None:
        """Delete a volume: VOLUME_NOT_FOUND."""
        subject = Subject(pool, volume, on_network=server is not None)
        await self._work(lambda connection: volumes.delete(connection, pool, volume), subject, server, proven)

    async def resize_volume(
        self,
        pool: str,
        volume: str,
        capacity_bytes: int,
        *,
        allocate: bool,
        server: str | None,
        proven: Callable[[], None] | None = None,
    ) -> None:
        """Change a volume's capacity: VOLUME_NOT_FOUND, NO_SPACE, FULL, TOO_LARGE, WRONG_STATE, NOT_SUPPORTED_HERE."""
        subject = Subject(pool, volume, on_network=server is not None)
        work = partial(volumes.resize, pool=pool, name=volume, capacity_bytes=capacity_bytes, allocate=allocate)
        await self._work(work, subject, server, proven)

    async def wipe_volume(
        self, pool: str, volume: str, algorithm: str, *, server: str | None, proven: Callable[[], None] | None = None
    ) -> None:
        """Overwrite what a volume holds: VOLUME_NOT_FOUND, NOT_SUPPORTED_HERE."""
        subject = Subject(pool, volume, on_network=server is not None)
        work = partial(volumes.wipe, pool=pool, name=volume, algorithm=algorithm)
        await self._work(work, subject, server, proven)

    async def read_domains(self) -> DomainReading:
        """Read what the domains refer to, on every domain URI; never raises for a URI that fails: `missing` says it."""
        references, missing = await self._of_all_domains(domains.read_some)
        return DomainReading(references=tuple(references), missing=tuple(missing))

    async def read_domain_secrets(self) -> SecretReading:
        """Read which secrets the domains refer to, as `read_domains` reads the rest."""
        uses, missing = await self._of_all_domains(domains.read_some_secrets)
        return SecretReading(uses=tuple(uses), missing=tuple(missing))

    async def _of_all_domains(self, read_some: ReadSomeDomains[T]) -> tuple[list[T], list[str]]:
        """What is read of each domain, and what could not be read; others get their turn between two calls."""
        read: list[T] = []
        missing: list[str] = []
        for session in self._domains:
            try:
                listed = await self._call_domains(session, domains.listed)
                while listed:
                    some = partial(_of_some_domains, read_some, listed)
                    found, unread = await self._call_domains(session, some)
                    read += found
                    missing += unread
            except ModelError as error:
                missing.append(f"{session.uri}: {error.message}")
        return read, missing

    async def _quick(self, work: Work[T], subject: Subject, server: str | None = None) -> T:
        late = Reason.LIBVIRT_UNAVAILABLE if server is None else Reason.POOL_UNRESPONSIVE
        limit = Limit(self._settings.call_timeout_s, late)
        return await Caller(self._calls, self._storage).call(work, subject, server=server, limit=limit)

    async def _work(
        self, work: Work[T], subject: Subject, server: str | None, proven: Callable[[], None] | None = None
    ) -> T:
        limit = Limit(self._settings.work_timeout_s, Reason.OPERATION_TIMED_OUT)
        return await Caller(self._calls, self._storage).call(work, subject, server=server, limit=limit, proven=proven)

    async def _call_domains(self, session: Session, work: Work[T]) -> T:
        limit = Limit(self._settings.call_timeout_s, Reason.LIBVIRT_UNAVAILABLE)
        return await Caller(self._calls, session).call(work, Subject(), server=None, limit=limit)

    def _domain_session(self, uri: str) -> Session:
        def changed(connected: bool) -> None:
            self._tell(DomainEvent(domain=""))
            if connected and not self._host.host_uuid and self._learning is None:
                self._learning = asyncio.create_task(self._learn_host(session), name="learn of the host")

        session = Session(
            SessionPlan(
                choose_uri=lambda: uri,
                handles=1,
                prepare=lambda connection: watch_domains(connection, self._deliver),
                changed=changed,
            )
        )
        return session

    async def _learn_host(self, session: Session) -> None:
        try:
            self._host = await self._call_domains(session, capabilities.of_host)
        except ModelError as error:
            _log.warning("capabilities of the host not known", uri=session.uri, error=error.message)
        finally:
            self._learning = None

    def _prepare_storage(self, connection: libvirt.virConnect) -> Undo:
        self._pool_types = capabilities.pool_types(connection)
        return watch_pools(connection, self._deliver)

    def _deliver(self, event: HypervisorEvent) -> None:
        """From the event thread to the event loop."""
        # A closed loop has no listeners left.
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._tell, event)

    def _tell(self, event: HypervisorEvent) -> None:
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:  # noqa: BLE001  the others must be told all the same
                _log.exception("listener failed", event=event)


def _take(listed: list[T], count: int) -> list[T]:
    """Remove some from the end of a list, to be read and freed in a thread."""
    taken = listed[-count:]
    del listed[-count:]
    return taken


def _read_some_volumes(
    pool: str, listed: list[libvirt.virStorageVol], _: libvirt.virConnect
) -> tuple[list[VolumeFacts], int]:
    return volumes.read_some(pool, _take(listed, VOLUMES_PER_CALL))


def _of_some_domains(
    read_some: ReadSomeDomains[T], listed: list[libvirt.virDomain], connection: libvirt.virConnect
) -> tuple[list[T], list[str]]:
    return read_some(connection, _take(listed, DOMAINS_PER_CALL))
