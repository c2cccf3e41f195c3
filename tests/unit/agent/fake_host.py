"""A host in memory: libvirt, files, stores and clock, as small as their ports allow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any

from poolfleet_agent.control.acting import Actors
from poolfleet_agent.control.grace import ServerGrace
from poolfleet_agent.control.host import Host, HostRules, check_real_path
from poolfleet_agent.control.journal import Journal
from poolfleet_agent.control.lanes import Lanes
from poolfleet_agent.control.mounted import MountBook
from poolfleet_agent.control.operations import Operations
from poolfleet_agent.control.quarantine import Quarantine
from poolfleet_agent.control.refreshes import Refreshes, Refreshing
from poolfleet_agent.hypervisor.documents import LibvirtDocuments
from poolfleet_agent.inventory.intents import Intents
from poolfleet_agent.inventory.look import Looker
from poolfleet_agent.inventory.observe import Observer
from poolfleet_agent.inventory.own_changes import OwnChanges
from poolfleet_agent.inventory.pool_mounts import PoolMounts
from poolfleet_agent.inventory.registry import Registry
from poolfleet_agent.model.domain_disk import DiskRole, DomainReading, DomainReference, DomainState
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.pool import Permissions, Pool, PoolDefinition, PoolFacts, PoolState
from poolfleet_agent.model.pool_source import DirSource
from poolfleet_agent.model.ports import (
    HypervisorEvent,
    HypervisorFacts,
    PoolIntent,
)
from poolfleet_agent.model.secret import SecretFacts, SecretReading
from poolfleet_agent.model.share_user import ShareUser
from poolfleet_agent.model.volume import VolumeFacts, VolumeListing
from tests.unit.agent.fake_files import FakeContents, FakeFiles, FakeImages
from tests.unit.agent.fake_folders import FakeFolders
from tests.unit.agent.fake_mounts import FakeMounts, MemoryMountStore
from tests.unit.agent.fake_secrets import FakeSecrets
from tests.unit.agent.fake_watch import FakeWatch
from tests.unit.agent.memory_operations import MemoryOperations

MIB = 1 << 20
QEMU_USER = ShareUser(uid=64055, gid=64055)


def pool_facts(name: str, *, active: bool = True, uuid: str = "", target: str = "") -> PoolFacts:
    definition = PoolDefinition(
        name=name,
        type="dir",
        uuid=uuid or f"uuid of {name}",
        source=DirSource(),
        target_path=target or f"/pools/{name}",
    )
    return PoolFacts(
        definition=definition, stored_definition=definition, uuid=definition.uuid or "",
        state=PoolState.RUNNING if active else PoolState.INACTIVE, autostart=False, persistent=True,
        capacity_bytes=1000 * MIB, allocation_bytes=0, available_bytes=1000 * MIB,
        xml=f"<pool><name>{name}</name></pool>", inactive_xml=f"<pool><name>{name}</name></pool>",
    )  # fmt: skip


def volume_facts(pool: str, name: str, *, capacity_bytes: int = MIB, kind: str = "file") -> VolumeFacts:
    path = f"/pools/{pool}/{name}"
    return VolumeFacts(
        pool=pool, name=name, key=path, path=path, type=kind, format="raw", capacity_bytes=capacity_bytes,
        allocation_bytes=0, physical_bytes=None, backing_store=None, modified_at_s=1000.0,
        permissions=Permissions(mode=0o600, owner=0, group=0),
    )  # fmt: skip


class FakeClock:
    def __init__(self) -> None:
        self.time_s = 1000.0

    def now_s(self) -> float:
        return self.time_s

    def monotonic_s(self) -> float:
        return self.time_s

    def uptime_s(self) -> float:
        return self.time_s


class PlainEncoder:
    def pool(self, pool: Pool) -> bytes:
        return repr(pool).encode()

    def volume(self, volume: VolumeFacts, etag: str) -> bytes:
        return repr((volume, etag)).encode()

    def secret(self, secret: SecretFacts, etag: str) -> bytes:
        return repr((secret, etag)).encode()


@dataclass
class FakeHypervisor:
    """Pools and volumes by name; a call in `held` waits for its event, after it has read what it will answer."""

    pools: dict[str, PoolFacts] = field(default_factory=dict)
    volumes: dict[str, dict[str, VolumeFacts]] = field(default_factory=dict)
    failing: dict[str, ModelError] = field(default_factory=dict)
    held: dict[str, asyncio.Event] = field(default_factory=dict)
    called: list[str] = field(default_factory=list)
    hanging: set[str] = field(default_factory=set)
    servers: dict[str, str | None] = field(default_factory=dict)
    """Under whose cap a listing was asked for."""
    connected: bool = True
    files: Any = None
    domains: DomainReading = field(default_factory=lambda: DomainReading(references=()))
    secrets: FakeSecrets = field(default_factory=FakeSecrets)
    secret_uses: SecretReading = field(default_factory=lambda: SecretReading(uses=()))
    documents = LibvirtDocuments()

    def hold(self, call: str) -> asyncio.Event:
        return self.held.setdefault(call, asyncio.Event())

    def add(self, facts: PoolFacts, *volumes: str) -> None:
        self.pools[facts.name] = facts
        self.volumes[facts.name] = {name: volume_facts(facts.name, name) for name in volumes}

    def facts(self) -> HypervisorFacts:
        return HypervisorFacts(connected=self.connected, storage_uri="test:///", domain_uris=(), qemu_user=QEMU_USER)

    def subscribe(self, listener: Callable[[HypervisorEvent], None]) -> None:
        self.listener = listener

    async def _answer(self, call: str, answer: object) -> None:
        self.called.append(call)
        if call in self.held:
            await self.held[call].wait()
        if call in self.failing:
            raise self.failing[call]

    async def pool_names(self) -> Sequence[str]:
        names = sorted(self.pools)
        await self._answer("pool_names", names)
        return names

    async def read_pool(self, pool: str, *, server: str | None) -> PoolFacts:
        facts = self.pools.get(pool)
        await self._answer(f"read_pool {pool}", facts)
        if facts is None:
            raise ModelError(Reason.POOL_NOT_FOUND, f"no pool {pool}")
        return facts

    async def list_volumes(self, pool: str, *, server: str | None) -> VolumeListing:
        listing = VolumeListing(volumes=tuple(self.volumes[pool].values()))
        self.servers[f"list_volumes {pool}"] = server
        await self._answer(f"list_volumes {pool}", listing)
        return listing

    async def read_volume(self, pool: str, volume: str, *, server: str | None) -> VolumeFacts:
        facts = self.volumes.get(pool, {}).get(volume)
        await self._answer(f"read_volume {pool} {volume}", facts)
        if facts is None:
            raise ModelError(Reason.VOLUME_NOT_FOUND, f"no volume {volume}")
        return facts

    async def refresh_pool(self, pool: str, *, server: str | None) -> None:
        """Volumes are files of FakeFiles, where those are told to it."""
        self.servers[f"refresh_pool {pool}"] = server
        await self._answer(f"refresh_pool {pool}", None)
        for path in self.files.kept if self.files else ():
            folder, _, name = path.rpartition("/")
            if folder == f"/pools/{pool}" and not name.startswith("."):
                self.volumes[pool].setdefault(name, volume_facts(pool, name))

    async def start_pool(self, pool: str, *, server: str | None) -> None:
        await self._answer(f"start_pool {pool}", None)
        if self.pools[pool].active:
            raise ModelError(Reason.POOL_ACTIVE, f"pool {pool} is active")
        self.pools[pool] = replace(self.pools[pool], state=PoolState.RUNNING)

    async def stop_pool(self, pool: str, *, server: str | None) -> None:
        await self._answer(f"stop_pool {pool}", None)
        self.pools[pool] = replace(self.pools[pool], state=PoolState.INACTIVE)

    def pool_hangs(self, pool: str) -> bool:
        return pool in self.hanging

    async def until_pool_calls_are_back(self, pool: str) -> None:
        await self._answer(f"until_pool_calls_are_back {pool}", None)

    async def create_volume(
        self,
        pool: str,
        xml: str,
        *,
        server: str | None,
        proven: Callable[[], None] | None = None,
        preallocate: bool = False,
    ) -> VolumeFacts:
        definition = self.documents.parse_volume(xml)
        await self._answer(f"create_volume {pool} {definition.name}", None)
        if proven is not None:
            proven()
        made = volume_facts(pool, definition.name, capacity_bytes=definition.capacity_bytes or 0)
        self.volumes[pool][definition.name] = made
        return made

    async def clone_volume(
        self,
        pool: str,
        xml: str,
        source: tuple[str, str],
        *,
        server: str | None,
        proven: Callable[[], None] | None = None,
    ) -> VolumeFacts:
        definition = self.documents.parse_volume(xml)
        await self._answer(f"clone_volume {pool} {definition.name} {'/'.join(source)}", None)
        if proven is not None:
            proven()
        made = replace(self.volumes[source[0]][source[1]], pool=pool, name=definition.name)
        self.volumes[pool][definition.name] = made
        return made

    async def delete_volume(
        self, pool: str, volume: str, *, server: str | None, proven: Callable[[], None] | None = None
    ) -> None:
        await self._answer(f"delete_volume {pool} {volume}", None)
        if proven is not None:
            proven()
        if self.volumes[pool].pop(volume, None) is None:
            raise ModelError(Reason.VOLUME_NOT_FOUND, f"no volume {volume}")

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
        await self._answer(f"resize_volume {pool} {volume} {capacity_bytes}", None)
        if proven is not None:
            proven()
        self.volumes[pool][volume] = replace(self.volumes[pool][volume], capacity_bytes=capacity_bytes)

    async def wipe_volume(
        self, pool: str, volume: str, algorithm: str, *, server: str | None, proven: Callable[[], None] | None = None
    ) -> None:
        await self._answer(f"wipe_volume {pool} {volume} {algorithm}", None)
        if proven is not None:
            proven()

    async def read_domains(self) -> DomainReading:
        await self._answer("read_domains", None)
        return self.domains

    async def read_domain_secrets(self) -> SecretReading:
        await self._answer("read_domain_secrets", None)
        return self.secret_uses


class FakeIntentStore:
    """One on a disk that may be full."""

    def __init__(self, *, full: bool = False) -> None:
        self.kept: dict[str, PoolIntent] = {}
        self.full = full

    async def load_all(self) -> Sequence[PoolIntent]:
        return list(self.kept.values())

    async def save(self, intent: PoolIntent) -> None:
        if self.full:
            raise ModelError(Reason.NO_SPACE, "full")
        self.kept[intent.pool_uuid] = intent

    async def remove(self, pool_uuid: str) -> None:
        self.kept.pop(pool_uuid, None)


@dataclass
class FakeHost:
    """The inventory over the fakes."""

    hypervisor: Any = field(default_factory=FakeHypervisor)
    files: Any = field(default_factory=FakeFiles)
    clock: FakeClock = field(default_factory=FakeClock)
    registry: Registry = field(default_factory=Registry)
    resolved: dict[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.hypervisor, FakeHypervisor):
            self.hypervisor.files = self.files
        self.watch = FakeWatch()
        self.mounts = FakeMounts()
        self.book = MountBook(store=MemoryMountStore(), boot_id="boot")
        self.pool_mounts = PoolMounts(
            watch=self.watch, files=self.files, clock=self.clock, addresses=self.addresses,
            belongs=self.book.belongs, saw=self.book.saw,
        )  # fmt: skip
        self.intents = Intents(store=FakeIntentStore(), clock=self.clock)
        self.looker = Looker(
            hypervisor=self.hypervisor, files=self.files, folders=FakeFolders(self.hypervisor),
            registry=self.registry, encoder=PlainEncoder(), intents=self.intents, clock=self.clock,
            agent_id="agent", pool_mounts=self.pool_mounts, may_switch=True,
            check_backing=partial(check_real_path, self.files, ["/pools"], "backing_store.path"),
        )  # fmt: skip
        self.grace = ServerGrace(files=self.files, mounts=self.pool_mounts)
        self.quarantine = Quarantine(mounts=self.pool_mounts, registry=self.registry, chains=self.looker.chains)
        self.images = FakeImages(self.files)
        self.contents = FakeContents()
        self.own_changes = OwnChanges(clock=self.clock)
        self.refreshing = Refreshing(
            hypervisor=self.hypervisor, quarantine=self.quarantine, grace=self.grace, own_changes=self.own_changes
        )
        self.refreshes = Refreshes(self.refreshing, self.registry, Lanes())
        self.actors = Actors(
            files=self.files,
            watch=self.watch,
            place=self.pool_mounts.place,
            qemu_user=self.qemu_user,
            may_switch=True,
        )

    async def addresses(self, host: str) -> Sequence[str]:
        return self.resolved.get(host, ())

    async def qemu_user(self) -> ShareUser | None:
        return QEMU_USER

    async def server_answers(self, _: PoolDefinition) -> bool:
        return True


def observer_of(fake: FakeHost, store: Any = None, *, staleness_s: float = 3600.0) -> Observer:
    """The task that looks; `store` keeps snapshots."""
    ports = {part.name: getattr(fake, part.name) for part in fields(Observer) if hasattr(fake, part.name)}
    return Observer(**{**ports, "store": store, "staleness_s": staleness_s})


def use_case_host(fake: FakeHost, **rules: Any) -> Host:
    """What use cases take, over the fakes; ports that no test needs are left out."""
    ports: dict[str, Any] = {part.name: getattr(fake, part.name, None) for part in fields(Host)}
    host_rules = HostRules(allowed_paths=["/pools"], **rules)
    return Host(**{**ports, "observer": observer_of(fake), "encoder": PlainEncoder(), "rules": host_rules})


def operations() -> Operations:
    """Runs mutations, recorded in memory."""
    return Operations(journal=Journal(store=MemoryOperations()), lanes=Lanes(), clock=FakeClock())


async def until(condition: Callable[[], object]) -> None:
    """Let the loop run until something is so; fails after some seconds."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0)


def used(fake: FakeHost, state: DomainState) -> None:
    """A guest in that state has the volume `v` of the pool `p` as its disk."""
    reference = DomainReference(
        domain="web", domain_uuid="u", domain_state=state, role=DiskRole.DISK, target="vda",
        source_kind="volume", pool="p", volume="v",
    )  # fmt: skip
    fake.hypervisor.domains = DomainReading(references=(reference,))
