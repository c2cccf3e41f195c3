"""Looks: read a pool, a volume or all pools, and publish what was seen.

A look at a pool alone is short, and those of one pool are serial; so are those at one volume, beside all others. A
listing of its volumes may take long, and so may what is found out about its storage, which is told with the pool: they
hold nobody up, and what was seen of single volumes meanwhile is newer, and stays. What is seen is as of when the look
began, of a storage a little older: what changes while it runs may be missed.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import structlog

from poolfleet_agent.inventory.backing_files import BackingFiles
from poolfleet_agent.inventory.build import (
    TargetFacts,
    VolumesSeen,
    kept_entry,
    pool_entry,
    volume_record,
    with_content_id,
)
from poolfleet_agent.inventory.dead_chains import DeadChains
from poolfleet_agent.inventory.folder_volumes import UNDESCRIBED, FolderVolumes
from poolfleet_agent.inventory.intents import Intents
from poolfleet_agent.inventory.locks import Locks
from poolfleet_agent.inventory.pool_mounts import PoolMounts
from poolfleet_agent.inventory.reading import NOTHING_SEEN, Reader, seen_before
from poolfleet_agent.inventory.registry import Registry
from poolfleet_agent.inventory.snapshot import PoolEntry, VolumeRecord, pool_not_found
from poolfleet_agent.inventory.storages import Storages, is_same_pool
from poolfleet_agent.inventory.turns import Turns
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.pool import HealthStatus, PoolFacts
from poolfleet_agent.model.ports import Clock, Encoder, Files, Folders, Hypervisor
from poolfleet_agent.model.storage import ConfiguredStorage
from poolfleet_agent.model.volume import VolumeFacts

LOOKS_AT_ONCE = 4
"""Pools whose volumes are read at the same time during a look at all."""

log = structlog.get_logger(__name__)

SeenT = TypeVar("SeenT", VolumeRecord, VolumeRecord | None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _SeenTarget:
    """What was found out about the storage of a pool that was known as this, with what was mounted for it then."""

    facts: PoolFacts
    mount_state: object
    target: TargetFacts

    def is_of(self, facts: PoolFacts, mount_state: object) -> bool:
        """Whether it is what is to be told of that pool, being what is mounted for it now."""
        return facts.active and is_same_pool(self.facts, facts) and mount_state == self.mount_state


@dataclass(kw_only=True)
class Looker:
    """Reads through the adapters and publishes to the registry."""

    hypervisor: Hypervisor
    files: Files
    folders: Folders
    registry: Registry
    encoder: Encoder
    intents: Intents
    clock: Clock
    pool_mounts: PoolMounts
    agent_id: str
    may_switch: bool
    """Whether the agent can look as other users, being root."""
    check_backing: Callable[[str], Awaitable[None]]
    """Refuses a path outside what the configuration lets the agent use."""
    configured_storages: Sequence[ConfiguredStorage] = ()
    locks: Locks = field(default_factory=Locks)
    _seen_since: dict[str, dict[str, VolumeRecord | None]] = field(default_factory=dict)
    """For each listing that runs: what was seen of single volumes since it began; None: gone."""
    _listings: Counter[str] = field(default_factory=Counter)
    """How many have begun, by pool."""

    def __post_init__(self) -> None:
        """Nothing is looked at yet."""
        self.chains = DeadChains(mounts=self.pool_mounts, registry=self.registry, pool_hangs=self.hypervisor.pool_hangs)
        self._reader = Reader(
            hypervisor=self.hypervisor,
            folders=FolderVolumes(
                folders=self.folders,
                hypervisor=self.hypervisor,
                encoder=self.encoder,
                clock=self.clock,
                may_switch=self.may_switch,
                check_backing=self.check_backing,
            ),
            registry=self.registry,
            mounts=self.pool_mounts,
            chains=self.chains,
            encoder=self.encoder,
            clock=self.clock,
        )
        self.backing_files = BackingFiles(folders=self._reader.folders, registry=self.registry, mounts=self.pool_mounts)
        self.storages = Storages(
            files=self.files,
            mounts=self.pool_mounts,
            clock=self.clock,
            agent_id=self.agent_id,
            configured=tuple(self.configured_storages),
        )
        self._pools: Turns[PoolEntry] = Turns("look at pool", self._look_at_pool)
        self._pool_facts: Turns[PoolEntry] = Turns("look at pool alone", self._look_at_pool_alone)
        self._everything: Turns[None] = Turns("look at all pools", self._look_at_all)

    async def pool(self, name: str) -> PoolEntry:
        """Look at a pool and all its volumes: POOL_NOT_FOUND (and forget it), LIBVIRT_UNAVAILABLE."""
        return await self._pools.ask(name)

    async def pool_facts(self, name: str) -> PoolEntry:
        """Look at a pool alone and keep what is known of its volumes: what a fresh GetPool costs."""
        return await self._pool_facts.ask(name)

    async def volume(self, pool: str, name: str) -> VolumeRecord:
        """Look at one volume: POOL_NOT_FOUND, POOL_NOT_ACTIVE, VOLUME_NOT_FOUND (and forget it).

        In a pool that is a folder it may be one that libvirt has not seen yet, or cannot make sense of.
        """
        try:
            return await self.volume_in_libvirt(pool, name)
        except ModelError as error:
            if error.reason not in UNDESCRIBED:
                raise
            # Where no folder can be looked at, a volume that cannot be described is there all the same.
            is_gone = error.reason is Reason.VOLUME_NOT_FOUND
            if not is_gone and not self._reader.folder(self.registry.snapshot.entry(pool)):
                raise
            if (record := await self._look_at_volume(pool, name, self._reader.file)) is None:
                raise
            return record

    async def volume_in_libvirt(self, pool: str, name: str) -> VolumeRecord:
        """Look at one volume: as `volume`, but VOLUME_NOT_FOUND also where libvirt has not seen its file yet."""

        async def read(entry: PoolEntry, name: str) -> VolumeRecord:
            facts = await self._reader.volume(entry, name)
            return volume_record(with_content_id(facts, entry.volumes.get(name)), self.encoder)

        return await self._look_at_volume(pool, name, read)

    async def described_volume(self, pool: str, name: str) -> VolumeFacts:
        """Read one volume with its XML, which the snapshot does not carry: as `volume`; nothing is published."""
        return await self._reader.volume(self.registry.snapshot.entry(pool), name)

    async def all_pools(self) -> None:
        """Look at all pools; a connection-wide call, so never on a request's path. LIBVIRT_UNAVAILABLE."""
        await self._everything.ask()

    async def close(self) -> None:
        """End what runs and wait for it."""
        for looks in (self._everything, self._pools, self._pool_facts, self.backing_files):
            await looks.close()

    def mounts_changed(self) -> list[str]:
        """Publish the pools that a mount now is bad news for; the answer is those to be looked at, for it may be good.

        libvirt is not asked here, and nothing is waited for.
        """
        to_look_at = []
        for name, entry in self.registry.snapshot.pools.items():
            pool = entry.pool
            if not pool.active or pool.health is None:
                continue
            now = self.pool_mounts.health(pool.definition)
            if now is None or now.status is HealthStatus.HEALTHY:
                if pool.health.status is not HealthStatus.HEALTHY or pool.server != self.pool_mounts.server(
                    pool.definition
                ):
                    to_look_at.append(name)
            elif (now.status, now.reason) == (pool.health.status, pool.health.reason):
                continue
            elif now.status is HealthStatus.FAULTY:
                to_look_at.append(name)  # where nothing is mounted, somebody may just be stopping it
            else:
                self.registry.put(kept_entry(entry, now, self.encoder))
        return to_look_at

    async def _look_at_pool_alone(self, name: str) -> PoolEntry:
        async with self.locks.of(name):
            return await self._look_at_facts(name)

    async def _look_at_target(self, entry: PoolEntry | None) -> _SeenTarget | None:
        """Find out about the storage of a pool before that is looked at; None: there is none to be seen, it seems."""
        if entry is None or not entry.pool.active:
            return None
        facts = entry.pool.facts
        health = self.pool_mounts.health(facts.definition)
        if health is not None and health.status is not HealthStatus.HEALTHY:
            return None  # most likely nothing more is asked of it
        await self.pool_mounts.learn(facts.definition)  # or a link could lead onto what nobody is to go to
        state = self._mount_state(facts)
        target = await self.storages.look(facts, entry.pool)
        return _SeenTarget(facts=facts, mount_state=state, target=target)

    def _mount_state(self, facts: PoolFacts) -> object:
        """What a pool's target lies on, and how that is: where the answer is another, the storage may be another."""
        target, _ = self.pool_mounts.place(facts.definition)
        health = self.pool_mounts.health(facts.definition)
        mount = self.pool_mounts.watch.table().holding(target) if target else None
        return target, mount, health and (health.status, health.reason)

    async def _look_at_facts(
        self, name: str, seen_target: _SeenTarget | None = None, *, alone: bool = True
    ) -> PoolEntry:
        previous = self.registry.snapshot.pools.get(name)
        as_of_s, looked_at_s = self.clock.now_s(), self.clock.monotonic_s()
        try:
            facts = await self._reader.facts(name, previous)
        except ModelError as error:
            health = self.pool_mounts.health(previous.pool.definition) if previous else None
            if error.reason is not Reason.POOL_UNRESPONSIVE or previous is None:
                raise
            if health is None:
                if self.chains.stuck(previous) is None:
                    raise
                return previous
            # Its share does not answer: what was seen before is what there is to say, with its age.
            entry = kept_entry(previous, health, self.encoder)
            self.registry.put(entry)
            return entry
        seen = seen_before(previous) if facts.active else NOTHING_SEEN
        before = previous.pool if previous else None
        target = None
        if before is None or not alone:
            await self.pool_mounts.learn(facts.definition)
            await self.pool_mounts.learn_owner(facts)
            if seen_target is not None and seen_target.is_of(facts, self._mount_state(facts)):
                target = seen_target.target
            else:
                target = await self.storages.look(facts, before)
        return await self._publish(facts, seen, previous, target=target, as_of_s=as_of_s, looked_at_s=looked_at_s)

    async def _look_at_pool(self, name: str) -> PoolEntry:
        seen_target = await self._look_at_target(self.registry.snapshot.pools.get(name))
        async with self.locks.of(name):
            entry = await self._look_at_facts(name, seen_target, alone=False)
        if not entry.pool.active or entry.pool.quarantined:
            return entry
        seen_since = self._seen_since[name] = {}
        self._listings[name] += 1
        try:
            seen = await self._reader.volumes(entry)
            async with self.locks.of(name):
                return await self._publish_listing(entry, seen, seen_since)
        finally:
            del self._seen_since[name]

    async def _publish_listing(
        self, before: PoolEntry, seen: VolumesSeen, seen_since: Mapping[str, VolumeRecord | None]
    ) -> PoolEntry:
        entry: PoolEntry | None = before
        if self.registry.snapshot.loaded:
            entry = self.registry.snapshot.pools.get(before.pool.name)
        if entry is None:
            raise pool_not_found(before.pool.name)
        if not entry.pool.active or entry.pool.facts.uuid != before.pool.facts.uuid:
            return entry
        if seen_since:
            volumes = {**seen.records, **seen_since}
            kept = {name: record for name, record in sorted(volumes.items()) if record is not None}
            seen = replace(seen, records=kept)
        return await self._publish_volumes(entry, seen)

    async def _look_at_all(self, _: str) -> None:
        as_of_s = self.clock.now_s()
        known = self.intents.known()
        names = await self._reader.names()
        turns = asyncio.Semaphore(LOOKS_AT_ONCE)
        unread: dict[str, ModelError] = {}

        async def one(name: str) -> PoolEntry | None:
            async with turns:
                try:
                    return await self.pool(name)
                except ModelError as error:
                    if not self.hypervisor.facts().connected:
                        raise
                    if error.reason is not Reason.POOL_NOT_FOUND:
                        log.warning("pool cannot be read", pool=name, reason=error.reason, error=error.message)
                        unread[name] = error
                    return None

        # Names that vanished from the listing are looked at too: the look itself finds them gone and forgets them.
        wanted = sorted({*names, *self.registry.snapshot.pools})
        looks = [asyncio.create_task(one(name)) for name in wanted]
        try:
            entries = [entry for entry in await asyncio.gather(*looks) if entry is not None]
        finally:
            for look in looks:
                look.cancel()
        self.registry.looked_at_all(entries, unread, as_of_s)
        if not unread:
            there = (*entries, *self.registry.snapshot.pools.values())  # or defined again since it was found gone
            await self.intents.forget(known - {entry.pool.facts.uuid for entry in there})

    async def _look_at_volume(self, pool: str, name: str, read: Callable[[PoolEntry, str], Awaitable[SeenT]]) -> SeenT:
        """Read a volume beside other looks at its pool, then publish it, alone."""
        async with self.locks.of((pool, name)):
            before, listings = self.registry.snapshot.entry(pool), self._listings[pool]
            record = await read(before, name)
            async with self.locks.of(pool):
                entry = self.registry.snapshot.entry(pool)
                is_other = (entry.pool.facts.uuid, entry.pool.active) != (before.pool.facts.uuid, before.pool.active)
                if is_other or self._listings[pool] != listings:
                    record = await read(entry, name)  # what was read may be older than what is known
                await self._publish_volume(entry, name, record)
                return record

    async def _publish_volume(self, entry: PoolEntry, name: str, record: VolumeRecord | None) -> None:
        if (seen_since := self._seen_since.get(entry.pool.name)) is not None:
            seen_since[name] = record
        known = entry.volumes.get(name)
        if (known and known.encoded) == (record and record.encoded):
            return
        volumes = {other: there for other, there in entry.volumes.items() if other != name or record is not None}
        if record is not None:
            volumes[name] = record
        seen = replace(seen_before(entry), records=volumes if known else dict(sorted(volumes.items())))
        await self._publish_volumes(entry, seen)

    async def _publish_volumes(self, entry: PoolEntry, seen: VolumesSeen) -> PoolEntry:
        as_of_s, looked_at_s = entry.pool.as_of_s, entry.looked_at_s
        return await self._publish(entry.pool.facts, seen, entry, target=None, as_of_s=as_of_s, looked_at_s=looked_at_s)

    async def _publish(
        self,
        facts: PoolFacts,
        seen: VolumesSeen,
        previous: PoolEntry | None,
        *,
        target: TargetFacts | None,
        as_of_s: float,
        looked_at_s: float,
    ) -> PoolEntry:
        """Publish what was seen of a pool; `target` None: what is known of it is what was, of the same pool."""
        if target is None:
            before = previous.pool if previous and is_same_pool(previous.pool.facts, facts) else None
            target = (
                TargetFacts(filesystem_id=before.filesystem_id, storage=before.storage) if before else TargetFacts()
            )
        entry = pool_entry(
            facts,
            seen=seen,
            target=target,
            mount_server=self.pool_mounts.server(facts.definition),
            mount_owner=self.pool_mounts.owner(facts.definition),
            mount_health=self.pool_mounts.health(facts.definition),
            intent=await self.intents.of(facts),
            previous=previous,
            as_of_s=as_of_s,
            looked_at_s=looked_at_s,
            now_s=self.clock.now_s(),
            encoder=self.encoder,
        )
        if self.registry.snapshot.loaded:
            self.registry.put(entry)
        return entry
