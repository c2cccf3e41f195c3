"""Looks: read a pool, a volume or all pools from libvirt and publish what was seen.

Looks at one pool are serial, so that an older one never overwrites a newer; who asks while one runs shares the next.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from poolfleet_agent.inventory.build import (
    TargetFacts,
    VolumesSeen,
    pool_entry,
    unaddressable,
    volume_record,
    volume_records,
)
from poolfleet_agent.inventory.intents import Intents
from poolfleet_agent.inventory.registry import Registry
from poolfleet_agent.inventory.snapshot import PoolEntry, VolumeRecord
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.pool import DIRECTORY_POOL_TYPES, PoolFacts
from poolfleet_agent.model.ports import Clock, Encoder, Files, Hypervisor
from poolfleet_agent.model.storage import ConfiguredStorage, storage_of

LOOKS_AT_ONCE = 4
"""Pools whose volumes are read at the same time during a look at all."""

log = structlog.get_logger(__name__)


@dataclass(kw_only=True)
class Looker:
    """Reads through the adapters and publishes to the registry."""

    hypervisor: Hypervisor
    files: Files
    registry: Registry
    encoder: Encoder
    intents: Intents
    clock: Clock
    agent_id: str
    configured_storages: Sequence[ConfiguredStorage] = ()
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict)
    _coming: dict[str, "asyncio.Task[PoolEntry]"] = field(default_factory=dict)
    _coming_all: "asyncio.Task[None] | None" = None
    _all_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _tasks: "set[asyncio.Task[PoolEntry] | asyncio.Task[None]]" = field(default_factory=set)

    async def pool(self, name: str) -> PoolEntry:
        """Look at a pool and all its volumes: POOL_NOT_FOUND (and forget it), LIBVIRT_UNAVAILABLE."""
        task = self._coming.get(name)
        if task is None:
            task = asyncio.create_task(self._pool_in_turn(name), name=f"look at pool {name}")
            self._coming[name] = task
            self._own(task)
        return await asyncio.shield(task)

    async def pool_facts(self, name: str) -> PoolEntry:
        """Look at a pool alone and keep what is known of its volumes: what a fresh GetPool costs."""
        async with self._lock(name):
            previous = self.registry.snapshot.pools.get(name)
            server = previous.pool.definition.server if previous else None
            facts = await self._read_facts(name, server)
            seen = self._seen_before(previous) if facts.active else _NOTHING_SEEN
            return await self._publish(facts, seen, previous, look_at_target=previous is None)

    async def volume(self, pool: str, name: str) -> VolumeRecord:
        """Look at one volume: POOL_NOT_FOUND, POOL_NOT_ACTIVE, VOLUME_NOT_FOUND (and forget it)."""
        async with self._lock(pool):
            entry = self.registry.snapshot.entry(pool)
            try:
                facts = await self.hypervisor.read_volume(pool, name, server=entry.pool.definition.server)
            except ModelError as error:
                if error.reason is Reason.VOLUME_NOT_FOUND and name in entry.volumes:
                    volumes = {known: record for known, record in entry.volumes.items() if known != name}
                    await self._publish_volumes(entry, volumes)
                raise
            record = volume_record(facts, self.encoder)
            if (known := entry.volumes.get(name)) is None or known.encoded != record.encoded:
                volumes = dict(entry.volumes)
                volumes[name] = record
                await self._publish_volumes(entry, volumes if known else dict(sorted(volumes.items())))
            return record

    async def all_pools(self) -> None:
        """Look at all pools; a connection-wide call, so never on a request's path. LIBVIRT_UNAVAILABLE."""
        task = self._coming_all
        if task is None:
            task = asyncio.create_task(self._all_in_turn(), name="look at all pools")
            self._coming_all = task
            self._own(task)
        await asyncio.shield(task)

    async def close(self) -> None:
        """End what runs and wait for it."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _own(self, task: "asyncio.Task[PoolEntry] | asyncio.Task[None]") -> None:
        self._tasks.add(task)
        task.add_done_callback(self._disown)

    def _disown(self, task: "asyncio.Task[PoolEntry] | asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, ModelError):
            log.error("look failed", task=task.get_name(), error=repr(error))

    def _lock(self, pool: str) -> asyncio.Lock:
        return self._locks.setdefault(pool, asyncio.Lock())

    async def _pool_in_turn(self, name: str) -> PoolEntry:
        async with self._lock(name):
            self._coming.pop(name, None)  # who comes from here on needs a newer look
            previous = self.registry.snapshot.pools.get(name)
            facts = await self._read_facts(name, previous.pool.definition.server if previous else None)
            return await self._publish(facts, await self._read_volumes(facts, previous), previous, look_at_target=True)

    async def _all_in_turn(self) -> None:
        async with self._all_lock:
            self._coming_all = None
            names = await self.hypervisor.pool_names()
            turns = asyncio.Semaphore(LOOKS_AT_ONCE)

            async def one(name: str) -> PoolEntry | None:
                async with turns:
                    try:
                        return await self.pool(name)
                    except ModelError as error:
                        if error.reason is Reason.POOL_NOT_FOUND:
                            return None
                        raise

            # Names that vanished from the listing are looked at too: the look itself finds them gone and forgets them.
            wanted = sorted({*names, *self.registry.snapshot.pools})
            looks = [asyncio.create_task(one(name)) for name in wanted]
            try:
                entries = [entry for entry in await asyncio.gather(*looks) if entry is not None]
            finally:
                for look in looks:
                    look.cancel()
            self.registry.looked_at_all(entries, self.clock.now_s())
            await self.intents.forget_all_but({entry.pool.facts.uuid for entry in entries})

    async def _read_facts(self, name: str, server: str | None) -> PoolFacts:
        try:
            return await self.hypervisor.read_pool(name, server=server)
        except ModelError as error:
            if error.reason is Reason.POOL_NOT_FOUND:
                self.registry.remove(name)
            raise

    async def _read_volumes(self, facts: PoolFacts, previous: PoolEntry | None) -> VolumesSeen:
        if not facts.active:
            return _NOTHING_SEEN
        try:
            listing = await self.hypervisor.list_volumes(facts.name, server=facts.definition.server)
        except ModelError as error:
            if error.reason in {Reason.POOL_NOT_ACTIVE, Reason.POOL_NOT_FOUND}:
                return _NOTHING_SEEN
            seen = self._seen_before(previous)
            return VolumesSeen(
                records=seen.records,
                as_of_s=seen.as_of_s,
                unread_reason=error.reason,
                unread_message=error.message,
            )
        names: tuple[str, ...] = ()
        if (
            listing.unaddressable_count
            and facts.definition.target_path
            and facts.definition.type in DIRECTORY_POOL_TYPES
        ):
            names = unaddressable(await self.files.names(facts.definition.target_path))
        return VolumesSeen(
            records=volume_records(listing.volumes, self.encoder),
            as_of_s=self.clock.now_s(),
            unaddressable_count=listing.unaddressable_count,
            unaddressable_names=names,
        )

    def _seen_before(self, previous: PoolEntry | None) -> VolumesSeen:
        if previous is None:
            return _NOTHING_SEEN
        return VolumesSeen(
            records=previous.volumes,
            as_of_s=previous.pool.volumes_as_of_s,
            unaddressable_count=previous.pool.unaddressable_count,
            unaddressable_names=previous.pool.unaddressable_names,
            unread_reason=previous.pool.unread_reason,
            unread_message=previous.pool.unread_message,
        )

    async def _publish_volumes(self, entry: PoolEntry, volumes: dict[str, VolumeRecord]) -> None:
        previous = self._seen_before(entry)
        seen = VolumesSeen(
            records=volumes,
            as_of_s=previous.as_of_s or self.clock.now_s(),
            unaddressable_count=previous.unaddressable_count,
            unaddressable_names=previous.unaddressable_names,
        )
        await self._publish(entry.pool.facts, seen, entry, look_at_target=False)

    async def _publish(
        self, facts: PoolFacts, seen: VolumesSeen, previous: PoolEntry | None, *, look_at_target: bool
    ) -> PoolEntry:
        entry = await self._entry(facts, seen, previous, look_at_target=look_at_target)
        if self.registry.snapshot.loaded:
            self.registry.put(entry)
        return entry

    async def _entry(
        self, facts: PoolFacts, seen: VolumesSeen, previous: PoolEntry | None, *, look_at_target: bool
    ) -> PoolEntry:
        before = previous.pool if previous else None
        if look_at_target or before is None:
            target = await self._look_at_target(facts)
        else:
            target = TargetFacts(filesystem_id=before.filesystem_id, storage=before.storage)
        intent = await self.intents.of(facts)
        return pool_entry(
            facts,
            seen=seen,
            target=target,
            intent=intent,
            previous=previous,
            now_s=self.clock.now_s(),
            encoder=self.encoder,
        )

    async def _look_at_target(self, facts: PoolFacts) -> TargetFacts:
        """Find file system and storage. Targets on network file systems are left alone: looking could hang."""
        definition = facts.definition
        filesystem_id, real_target = "", ""
        if definition.target_path and definition.type in DIRECTORY_POOL_TYPES and definition.server is None:
            try:
                system = await self.files.file_system(definition.target_path)
                filesystem_id = system.id if system else ""
                real_target = await self.files.real_path(definition.target_path) if system else ""
            except ModelError as error:
                log.warning("target cannot be looked at", pool=facts.name, reason=error.reason, error=error.message)
        storage = storage_of(
            definition,
            agent_id=self.agent_id,
            filesystem_id=filesystem_id,
            real_target=real_target,
            configured=self.configured_storages,
        )
        return TargetFacts(filesystem_id=filesystem_id, storage=storage)


_NOTHING_SEEN = VolumesSeen(records={}, as_of_s=None)
