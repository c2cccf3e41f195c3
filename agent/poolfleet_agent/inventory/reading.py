"""What libvirt, and the folders of pools, are asked, as far as their shares answer: a call that would hang is not made,
and one that hangs is waited for no longer than its share lives.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import structlog

from poolfleet_agent.inventory.backing_links import backing_links
from poolfleet_agent.inventory.build import VolumesSeen, volume_records
from poolfleet_agent.inventory.dead_chains import DeadChains
from poolfleet_agent.inventory.folder_volumes import FolderVolumes
from poolfleet_agent.inventory.pool_mounts import PoolMounts
from poolfleet_agent.inventory.registry import Registry
from poolfleet_agent.inventory.snapshot import PoolEntry, VolumeRecord
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.pool import PoolFacts
from poolfleet_agent.model.ports import Clock, Encoder, Hypervisor
from poolfleet_agent.model.quarantine import Use, refusal
from poolfleet_agent.model.volume import VolumeFacts

T = TypeVar("T")

log = structlog.get_logger(__name__)

NOTHING_SEEN = VolumesSeen(records={}, as_of_s=None)

UNKNOWN_SERVER = "unknown:"
"""For the caps: a pool that is not known yet may lie on the share that does not answer."""


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Reads one thing at a time; publishes nothing but that a pool is gone."""

    hypervisor: Hypervisor
    folders: FolderVolumes
    registry: Registry
    mounts: PoolMounts
    chains: DeadChains
    encoder: Encoder
    clock: Clock

    async def names(self) -> Sequence[str]:
        """Names of all pools: of those that are known, while a dead share may make libvirt's own list hang."""
        if self.registry.snapshot.loaded and self.mounts.unusable_targets():
            return list(self.registry.snapshot.pools)
        return await self.hypervisor.pool_names()

    async def facts(self, name: str, previous: PoolEntry | None) -> PoolFacts:
        """Read a pool alone: POOL_NOT_FOUND (and it is forgotten), POOL_UNRESPONSIVE."""
        definition = previous.pool.definition if previous and previous.pool.active else None
        if previous is not None and definition is not None:
            await self._check(previous, Use.START_OR_STOP)
            if error := self.chains.stuck(previous):
                raise error
        server = previous.pool.server if previous else None
        if previous is None and self.mounts.unusable_targets():
            server = UNKNOWN_SERVER
        reading = self.mounts.while_answering(definition, self.hypervisor.read_pool(name, server=server))
        try:
            return await (reading if previous is None else self._while_chains_live(previous, reading))
        except ModelError as error:
            if error.reason is Reason.POOL_NOT_FOUND:
                self.registry.remove(name)
            raise

    async def volume(self, entry: PoolEntry, name: str) -> VolumeFacts:
        """Read one volume: VOLUME_NOT_FOUND, POOL_NOT_ACTIVE, and what its pool's mount refuses."""
        pool = entry.pool
        if pool.active:
            await self._check(entry, Use.READ)
        if error := self.chains.of_volume(entry, name):
            raise error
        record = entry.volumes.get(name)
        server = pool.server or self.mounts.server_below([record] if record is not None else [])
        reading = self.hypervisor.read_volume(pool.name, name, server=server)
        return await self._while_chains_live(entry, self.mounts.while_answering(pool.definition, reading))

    async def volumes(self, entry: PoolEntry) -> VolumesSeen:
        """Read all volumes of a pool; where they cannot be, those of before, and why."""
        pool = entry.pool
        try:
            await self._check(entry, Use.READ)
            # After a start of the agent nothing is known of the volumes of the last snapshot.
            await self.mounts.links.learn(entry.volumes.values())
            if dead := self.chains.any_of(entry):
                raise dead
            reading = self._all_volumes(entry)
            seen = await self._while_chains_live(entry, self.mounts.while_answering(pool.definition, reading))
            # A share that went meanwhile leaves the bare folder, where nothing is.
            await self._check(entry, Use.READ)
            learning = self.mounts.links.learn_all(seen.records.values())
            await self.mounts.while_answering(pool.definition, learning)
            links = backing_links(seen.records.values(), self.registry.snapshot.pools.values(), self.mounts)
            seen = replace(seen, backing_links=links)
        except ModelError as error:
            if error.reason in {Reason.POOL_NOT_ACTIVE, Reason.POOL_NOT_FOUND}:
                return NOTHING_SEEN
            return replace(seen_before(entry), unread_reason=error.reason, unread_message=error.message)
        except Exception as error:  # what a guest wrote into its image must not end the task that looks
            log.exception("volumes cannot be read, for a reason that nobody foresaw", pool=pool.name)
            return replace(seen_before(entry), unread_reason=Reason.INTERNAL, unread_message=f"unforeseen: {error!r}")
        return seen

    async def file(self, entry: PoolEntry, name: str) -> VolumeRecord | None:
        """Look at a file in a pool that is a folder; None: there is none, or the pool is none."""
        if not (folder := self.folder(entry)):
            return None
        await self._check(entry, Use.READ)
        return await self.mounts.while_answering(entry.pool.definition, self.folders.one(entry, folder, name))

    def folder(self, entry: PoolEntry) -> str:
        """Where the volumes of a pool are files; empty: they are none, libvirt has to say what they are."""
        return self.mounts.place(entry.pool.definition)[0]

    async def _all_volumes(self, entry: PoolEntry) -> VolumesSeen:
        if folder := self.folder(entry):
            return await self.folders.all(entry, folder)
        as_of_s = self.clock.now_s()
        listing = await self.hypervisor.list_volumes(entry.pool.name, server=entry.pool.server)
        return VolumesSeen(
            records=volume_records(listing.volumes, self.encoder, entry.volumes),
            as_of_s=as_of_s,
            unaddressable_count=listing.unaddressable_count,
        )

    async def _while_chains_live(self, entry: PoolEntry, work: Coroutine[Any, Any, T]) -> T:
        """Wait for work on a pool; it is given up when a share dies that a volume lies on: POOL_UNRESPONSIVE."""
        watch = self.mounts.watch
        if not watch.table().network():
            return await work
        working = asyncio.ensure_future(work)
        try:
            died = self.chains.died_since_now(entry)
            while not working.done():
                changed = asyncio.ensure_future(watch.wait_for_change())
                try:
                    await asyncio.wait({working, changed}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    changed.cancel()
                    await asyncio.gather(changed, return_exceptions=True)
                if not working.done() and (error := died()):
                    raise error
            return await working
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    async def _check(self, entry: PoolEntry, use: Use) -> None:
        health = await self.mounts.settled(entry.pool.definition)
        if error := refusal(entry.pool.name, health, use):
            raise error


def seen_before(previous: PoolEntry | None) -> VolumesSeen:
    """What an entry says of its volumes, to be said again."""
    if previous is None:
        return NOTHING_SEEN
    return VolumesSeen(
        records=previous.volumes,
        as_of_s=previous.pool.volumes_as_of_s,
        unaddressable_count=previous.pool.unaddressable_count,
        unaddressable_names=previous.pool.unaddressable_names,
        backing_links=previous.pool.backing_links,
        unread_reason=previous.pool.unread_reason,
        unread_message=previous.pool.unread_message,
    )
