"""One simulated host: a registry filled from generated storages, and the little more that reads ask for.

Implements control.readable.ReadableHost. There is nothing behind it: what a look would find is in the registry already.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from poolfleet_agent.control.host import HostRules
from poolfleet_agent.hypervisor.documents import LibvirtDocuments
from poolfleet_agent.inventory.build import TargetFacts, VolumesSeen, pool_entry
from poolfleet_agent.inventory.registry import Registry
from poolfleet_agent.inventory.snapshot import PoolEntry, VolumeRecord, volume_not_found
from poolfleet_agent.model.desired_state import Desired, DesiredState
from poolfleet_agent.model.domain_disk import DomainDisks
from poolfleet_agent.model.maintenance import Maintenance
from poolfleet_agent.model.pool import MountOwner, PoolDefinition, PoolFacts, PoolState, Storage
from poolfleet_agent.model.pool_source import DirSource, NetfsSource
from poolfleet_agent.model.ports import Clock, Encoder, HypervisorFacts, PoolIntent
from poolfleet_agent.model.storage import TargetSeen, storage_of
from poolfleet_agent.model.volume import VolumeFacts
from scripts.simulated_fleet.contents import BEGAN_S, Contents
from scripts.simulated_fleet.guests import guest_disks
from scripts.simulated_fleet.shape import Shape, StoragePlan

TIB = 1 << 40
SERVER_ADDRESS = "192.0.2.10"
_DOCUMENTS = LibvirtDocuments()


@dataclass(frozen=True, slots=True)
class SimulatedLibvirt:
    """Says that libvirt is there."""

    host_uuid: str

    def facts(self) -> HypervisorFacts:
        """What its connection would say of itself."""
        return HypervisorFacts(
            connected=True,
            storage_uri="qemu:///system",
            domain_uris=("qemu:///system",),
            libvirt_version="simulated",
            client_version="simulated",
            host_uuid=self.host_uuid,
            pool_types=("dir", "netfs"),
        )


@dataclass(frozen=True, slots=True)
class NoMaintenance:
    """Nobody tells a simulated host to leave its pools alone."""

    now: Maintenance = field(default_factory=Maintenance)


@dataclass(frozen=True, slots=True)
class NothingNew:
    """Looks again, and finds what is known."""

    registry: Registry

    async def pool(self, name: str) -> PoolEntry:
        """Find a pool: POOL_NOT_FOUND."""
        return self.registry.snapshot.entry(name)

    async def pool_facts(self, name: str) -> PoolEntry:
        """Find a pool: POOL_NOT_FOUND."""
        return self.registry.snapshot.entry(name)

    async def volume(self, pool: str, name: str) -> VolumeRecord:
        """Find a volume: POOL_NOT_FOUND, VOLUME_NOT_FOUND."""
        record = self.registry.snapshot.entry(pool).volumes.get(name)
        if record is None:
            raise volume_not_found(pool, name)
        return record

    async def described_volume(self, pool: str, name: str) -> VolumeFacts:
        """As `volume`; libvirt has no document of it."""
        return (await self.volume(pool, name)).facts


class SimulatedHost:
    """The host of that number."""

    def __init__(
        self, shape: Shape, number: int, storages: Sequence[Contents], *, encoder: Encoder, clock: Clock
    ) -> None:
        self.name = shape.host_name(number)
        self.agent_id = shape.uuid_of(f"agent of {self.name}")
        self.registry = Registry()
        self.clock = clock
        self.rules = HostRules(allowed_paths=(), observe_only=True)
        self.hypervisor = SimulatedLibvirt(shape.uuid_of(self.name))
        self.maintenance = NoMaintenance()
        self.looker = NothingNew(self.registry)
        self._shape = shape
        self._encoder = encoder
        self._storages = {contents.plan.pool: contents for contents in storages}
        entries = [self._entry(contents) for contents in storages]
        self.registry.looked_at_all(entries, {}, clock.now_s())
        by_id = [
            (contents, entry.pool.storage.id if entry.pool.storage else "")
            for contents, entry in zip(storages, entries, strict=True)
        ]
        self._disks = guest_disks(shape, number, by_id)
        self._put_disks()

    async def find_pool(self, pool: str) -> PoolEntry:
        """Find a pool: POOL_NOT_FOUND."""
        return self.registry.snapshot.entry(pool)

    async def fresh_disks(self) -> DomainDisks:
        """What the guests use."""
        return self._put_disks()

    def publish(self, changed: Contents) -> None:
        """Have seen what became of a storage."""
        self.registry.put(self._entry(changed))

    def look(self) -> None:
        """Have looked at everything just now."""
        for contents in self._storages.values():
            self.publish(contents)
        self.registry.looked_at_all([], {}, self.clock.now_s())
        self._put_disks()

    def _put_disks(self) -> DomainDisks:
        disks = DomainDisks(disks=self._disks, missing=(), as_of_s=self.clock.now_s())
        self.registry.put_disks(disks)
        return disks

    def _entry(self, contents: Contents) -> PoolEntry:
        plan, now_s = contents.plan, self.clock.now_s()
        previous = self.registry.snapshot.pools.get(plan.pool)
        facts = self._facts(contents, previous)
        filesystem_id = f"nfs:{SERVER_ADDRESS}{plan.export}" if plan.server else self._shape.uuid_of(plan.key)
        storage = previous.pool.storage if previous else self._storage(facts.definition, contents, filesystem_id)
        desired = DesiredState(desired=Desired.STARTED, since_s=float(BEGAN_S), why="found active")
        return pool_entry(
            facts,
            seen=VolumesSeen(records=contents.records, as_of_s=now_s),
            target=TargetFacts(filesystem_id=filesystem_id, storage=storage),
            mount_server=plan.server or None,
            mount_owner=MountOwner.AGENT if plan.server else None,
            mount_health=None,
            intent=PoolIntent(pool_uuid=facts.uuid, desired=desired, supervised=True),
            previous=previous,
            as_of_s=now_s,
            looked_at_s=self.clock.monotonic_s(),
            now_s=now_s,
            encoder=self._encoder,
        )

    def _facts(self, contents: Contents, previous: PoolEntry | None) -> PoolFacts:
        used_bytes = contents.allocation_bytes
        if previous is not None:
            known = previous.pool.facts
            capacity_bytes = known.capacity_bytes or 0
            return replace(known, allocation_bytes=used_bytes, available_bytes=capacity_bytes - used_bytes)
        definition = self._definition(contents.plan)
        capacity_bytes = (used_bytes // TIB + 2) * 4 * TIB
        xml = _DOCUMENTS.render_pool(definition)
        return PoolFacts(
            definition=definition,
            stored_definition=definition,
            uuid=definition.uuid or "",
            state=PoolState.RUNNING,
            autostart=True,
            persistent=True,
            capacity_bytes=capacity_bytes,
            allocation_bytes=used_bytes,
            available_bytes=capacity_bytes - used_bytes,
            xml=xml,
            inactive_xml=xml,
        )

    def _definition(self, plan: StoragePlan) -> PoolDefinition:
        source = NetfsSource(host=plan.server, path=plan.export, format="nfs") if plan.server else DirSource()
        return PoolDefinition(
            name=plan.pool,
            type="netfs" if plan.server else "dir",
            uuid=self._shape.uuid_of(f"{self.name} {plan.pool}"),
            source=source,
            target_path=plan.target,
        )

    def _storage(self, definition: PoolDefinition, contents: Contents, filesystem_id: str) -> Storage | None:
        plan = contents.plan
        seen = TargetSeen(
            real_path=plan.target,
            filesystem_id=filesystem_id,
            addresses={plan.server: [SERVER_ADDRESS]} if plan.server else {},
            fingerprint=contents.fingerprint,
        )
        return storage_of(definition, seen, agent_id=self.agent_id)
