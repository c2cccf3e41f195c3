"""A reader of watches for tests: it does with what it is told what a client does, and is compared with a registry."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

from poolfleet_agent.inventory.registry import Registry
from poolfleet_agent.inventory.snapshot import PoolEntry, Revision, VolumeRecord
from poolfleet_agent.inventory.watch import (
    DomainPart,
    Mark,
    Part,
    PoolPart,
    Resync,
    ResyncReason,
    Watch,
    Watched,
)
from poolfleet_agent.model.domain_disk import DiskRole, DomainDisk, DomainDisks, DomainReference, DomainState
from poolfleet_agent.model.pool import Pool
from tests.unit.agent.fake_host import FakeClock, pool_facts, volume_facts

NEVER_S, SOON_S = 3600.0, 0.001


def record(pool: str, name: str, *, definition: int = 0, usage: int = 0) -> VolumeRecord:
    facts = replace(volume_facts(pool, name, capacity_bytes=definition), allocation_bytes=usage)
    return VolumeRecord(facts=facts, etag=str(definition), encoded=f"{pool}/{name}/{definition}/{usage}".encode())


def entry(
    name: str, *volumes: VolumeRecord, uuid: str = "", free: int = 0, etag: str = "", as_of_s: float = 0.0
) -> PoolEntry:
    pool = Pool(facts=replace(pool_facts(name, uuid=uuid), available_bytes=free), etag=etag, as_of_s=as_of_s)
    return PoolEntry(pool=pool, encoded=f"{name}/{free}".encode(), volumes={one.facts.name: one for one in volumes})


def disks(*domains: str) -> DomainDisks:
    references = [
        DomainReference(
            domain=one, domain_uuid=one, domain_state=DomainState.ACTIVE, role=DiskRole.DISK, target="vda",
            source_kind="file", path=f"/{one}",
        )
        for one in domains
    ]  # fmt: skip
    found = tuple(DomainDisk(reference=one, path=one.path) for one in references)
    return DomainDisks(disks=found, missing=(), as_of_s=1.0)


@dataclass
class Reader:
    """What a client does with what it is told."""

    pools: dict[str, PoolEntry] = field(default_factory=dict)
    volumes: dict[str, dict[str, VolumeRecord]] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    domains: dict[str, tuple[DomainDisk, ...]] = field(default_factory=dict)
    revision: Revision | None = None
    void: set[str] | None = None
    void_domains: set[str] = field(default_factory=set)
    resyncs: list[ResyncReason] = field(default_factory=list)
    sent_volumes: int = 0

    def hear(self, part: Part) -> None:
        match part:
            case Resync(reason=reason):
                self.resyncs.append(reason)
                self.void, self.void_domains = set(self.pools), set(self.domains)
            case PoolPart():
                self._hear_pool(part)
            case DomainPart():
                self.void_domains.discard(part.uuid)
                self.domains[part.uuid] = part.disks
            case Mark():
                for uuid in self.void or ():
                    self._forget(uuid)
                for uuid in self.void_domains:
                    del self.domains[uuid]
                self.void, self.void_domains = None, set()
                self.domains = {uuid: one for uuid, one in self.domains.items() if one}
                self.revision = part.snapshot.revision

    def _hear_pool(self, part: PoolPart) -> None:
        if part.entry is None:
            self._forget(part.uuid)
            return
        if self.void is not None:
            self.void.discard(part.uuid)
        if part.itself:
            self.pools[part.uuid] = part.entry
        if part.whole:
            self.volumes[part.uuid] = {}
        there = self.volumes.setdefault(part.uuid, {})
        there.update({one.facts.name: one for one in part.volumes})
        self.sent_volumes += len(part.volumes)
        for name in part.gone_volumes:
            there.pop(name, None)
        self.digests[part.uuid] = part.digest

    def _forget(self, uuid: str) -> None:
        for known in (self.pools, self.volumes, self.digests):
            known.pop(uuid, None)


def watch(
    registry: Registry,
    clock: FakeClock,
    reader: Reader | None = None,
    *,
    watched: Watched | None = None,
    heartbeat_s: float = NEVER_S,
) -> Watch:
    known = {uuid: digest for uuid, digest in reader.digests.items() if digest} if reader else {}
    return Watch(
        registry=registry, clock=clock, watched=watched or Watched(), heartbeat_s=heartbeat_s,
        resume=reader.revision if reader else None, known=known,
    )  # fmt: skip


async def read_to_mark(parts: AsyncIterator[Part], reader: Reader) -> Mark:
    async with asyncio.timeout(30):
        async for part in parts:
            reader.hear(part)
            if isinstance(part, Mark):
                return part
    raise AssertionError("a watch has no end")


def loaded(*entries: PoolEntry) -> Registry:
    registry = Registry()
    registry.looked_at_all(list(entries), {}, 10.0)
    return registry


def has_all(reader: Reader, registry: Registry) -> None:
    """What was told is all that there was to tell."""
    told = {one.pool.facts.uuid: one for one in registry.told.values()}
    assert {uuid: pool.encoded for uuid, pool in reader.pools.items()} == {
        uuid: one.encoded for uuid, one in told.items()
    }
    assert reader.volumes == {uuid: one.volumes for uuid, one in told.items()}
    assert reader.revision == registry.snapshot.revision
