"""Tells a reader the state of the inventory and then its changes, in parts of a size that can be sent.

Nothing waits for the reader: it holds the state that it is being told, and no other.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from poolfleet_agent.inventory.history import Delta, PoolDelta
from poolfleet_agent.inventory.registry import Registry
from poolfleet_agent.inventory.snapshot import PoolEntry, Revision, Snapshot, VolumeRecord
from poolfleet_agent.model.domain_disk import DomainDisk
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.ports import Clock

PART_BYTES = 512 * 1024
"""What the volumes of one part come to."""

_GONE_BYTES = 4
"""What a name takes on the wire beside itself."""


class ResyncReason(StrEnum):
    """Why the whole state comes again."""

    TOO_OLD = "TOO_OLD"
    OTHER_EPOCH = "OTHER_EPOCH"
    SLOW_READER = "SLOW_READER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What a reader wants to know; no pools: all."""

    pools: frozenset[str] = frozenset()
    volumes: bool = True
    domain_disks: bool = True
    special: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Resync:
    """The whole state follows, up to the next Mark."""

    reason: ResyncReason


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolPart:
    """A piece of what is new of one pool; `entry` None: it is gone.

    `digest` is set in the last piece; `whole` in the first one of all that there is.
    """

    uuid: str
    entry: PoolEntry | None
    itself: bool = False
    unchanged: bool = False
    whole: bool = False
    volumes: list[VolumeRecord] = field(default_factory=list)
    gone_volumes: list[str] = field(default_factory=list)
    digest: str = ""

    @property
    def size_bytes(self) -> int:
        """About what it comes to when it is sent."""
        own = len(self.entry.encoded) if self.entry is not None and self.itself else 0
        gone = sum(_GONE_BYTES + len(name.encode()) for name in self.gone_volumes)
        return 128 + own + sum(len(one.encoded) for one in self.volumes) + gone


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainPart:
    """What one domain refers to now; no disks: it is gone, or refers to nothing."""

    uuid: str
    disks: tuple[DomainDisk, ...]

    @property
    def size_bytes(self) -> int:
        """About what it comes to when it is sent."""
        return 64 + sum(256 + len(disk.path) for disk in self.disks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The state is consistent, and that of the snapshot's revision."""

    snapshot: Snapshot


Part = Resync | PoolPart | DomainPart | Mark


@dataclass(kw_only=True)
class Watch:
    """One reader: what it wants, and what it was told."""

    registry: Registry
    clock: Clock
    watched: Watched
    heartbeat_s: float
    resume: Revision | None = None
    known: dict[str, str] = field(default_factory=dict)
    """Digests of the volumes that the reader has, by the UUIDs of their pools."""
    _told: int = 0
    _marked_s: float = 0.0
    _missing: tuple[str, ...] = ()
    """What the last Mark said is missing of the domains."""
    _sent: set[str] = field(default_factory=set)
    """Pools that the reader has from this watch, by UUID."""
    _sure: bool = False
    """Whether it has no others: what it had before it resumed is not known."""
    _denied: set[str] = field(default_factory=set)
    """Pools that it was told are gone."""

    async def parts(self) -> AsyncGenerator[Part, None]:
        """The state, or what is new since the resumed one, and then each change; without end."""
        self.registry.snapshot.require_loaded()
        if self.resume is not None:
            # What was restored may be older than what the reader was told by the agent before its end.
            await self._seen()
        for part in self._first():
            yield part
        while True:
            changed = self.registry.history.changed
            delta = self.registry.history.since(self._told)
            for part in self._all(ResyncReason.SLOW_READER) if delta is None else self._delta(delta):
                yield part
            try:
                async with asyncio.timeout(self._marked_s + self.heartbeat_s - self.clock.monotonic_s()):
                    await changed.wait()
            except TimeoutError:
                if not changed.is_set():
                    yield self._mark(self.registry.snapshot)

    async def _seen(self) -> None:
        """Wait for the first look of this process, as long as for a heartbeat: LIBVIRT_UNAVAILABLE."""
        try:
            async with asyncio.timeout(self.heartbeat_s):
                await self.registry.seen.wait()
        except TimeoutError:
            raise ModelError(
                Reason.LIBVIRT_UNAVAILABLE,
                "this host was not looked at since its agent was started; libvirt does not answer yet",
                retry_delay_s=self.heartbeat_s,
            ) from None

    def _first(self) -> Iterator[Part]:
        now = self.registry.snapshot.revision
        if self.resume is None:
            return self._all(None)
        if self.resume.epoch != now.epoch:
            return self._all(ResyncReason.OTHER_EPOCH)
        self._told = self.resume.sequence
        delta = self.registry.history.since(self._told) if self._told <= now.sequence else None
        return self._all(ResyncReason.TOO_OLD) if delta is None else self._delta(delta, mark=True)

    def _all(self, reason: ResyncReason | None) -> Iterator[Part]:
        snapshot, told = self.registry.snapshot, self.registry.told
        self._told = snapshot.revision.sequence
        # What the reader has by now is as the digests say, or partly newer: then it comes whole.
        known, self.known = self.known, {}
        self._sent, self._sure = set(), True
        wanted = [(entry, self._digest(entry)) for entry in told.values() if self._wants(entry)]
        if reason is not None:
            yield Resync(reason=reason)
        for entry, digest in wanted:
            same = bool(digest) and known.get(entry.pool.facts.uuid) == digest
            yield from self._pool(entry, PoolDelta(itself=True, whole=not same), digest, unchanged=same)
        if self.watched.domain_disks and snapshot.disks is not None:
            for uuid, disks in snapshot.disks.by_domain().items():
                yield DomainPart(uuid=uuid, disks=disks)
        yield self._mark(snapshot)

    def _delta(self, delta: Delta, *, mark: bool = False) -> Iterator[Part]:
        snapshot = self.registry.snapshot
        self._told = snapshot.revision.sequence
        wanted = {entry.pool.facts.uuid: entry for entry in self.registry.told.values() if self._wants(entry)}
        changes = [(uuid, change, wanted.get(uuid)) for uuid, change in delta.pools.items()]
        digests = {uuid: self._digest(entry) for uuid, _, entry in changes if entry is not None}
        for uuid, change, entry in changes:
            if entry is not None:
                mark = True
                yield from self._pool(entry, change, digests[uuid], unchanged=False)
            elif self._may_have(uuid):
                mark = True
                yield self._gone(uuid)
        if self.watched.domain_disks and snapshot.disks is not None:
            disks = snapshot.disks.by_domain() if delta.domains else {}
            mark = mark or snapshot.disks.missing != self._missing
            for domain in sorted(delta.domains):
                mark = True
                yield DomainPart(uuid=domain, disks=disks.get(domain, ()))
        if mark:
            yield self._mark(snapshot)

    def _may_have(self, uuid: str) -> bool:
        return uuid in self._sent or not (self._sure or uuid in self._denied)

    def _gone(self, uuid: str) -> PoolPart:
        self.known.pop(uuid, None)
        self._sent.discard(uuid)
        self._denied.add(uuid)
        return PoolPart(uuid=uuid, entry=None)

    def _wants(self, entry: PoolEntry) -> bool:
        return not self.watched.pools or entry.pool.name in self.watched.pools

    def _digest(self, entry: PoolEntry) -> str:
        if not self.watched.volumes:
            return ""
        return self.registry.digests.of(entry.pool.facts.uuid, include_special=self.watched.special)

    def _pool(self, entry: PoolEntry, change: PoolDelta, digest: str, *, unchanged: bool) -> Iterator[PoolPart]:
        """What is different of a pool that is there, in pieces."""
        names: Iterable[str] = entry.volumes if change.whole else sorted(change.volumes)
        if unchanged or not self.watched.volumes:
            names = ()
        itself, whole = change.itself or change.whole, change.whole and self.watched.volumes
        volumes: list[VolumeRecord] = []
        gone: list[str] = []
        used_bytes = 0
        uuid = entry.pool.facts.uuid
        self._sent.add(uuid)
        for name in names:
            record = entry.volumes.get(name)
            if record is not None and (self.watched.special or not record.facts.special):
                volumes.append(record)
                used_bytes += len(record.encoded)
            elif not change.whole:
                gone.append(name)
                used_bytes += _GONE_BYTES + len(name.encode())
            if used_bytes >= PART_BYTES:
                yield PoolPart(uuid=uuid, entry=entry, itself=itself, whole=whole, volumes=volumes, gone_volumes=gone)
                itself, whole, volumes, gone, used_bytes = False, False, [], [], 0
        self.known[uuid] = digest
        yield PoolPart(
            uuid=uuid,
            entry=entry,
            itself=itself,
            unchanged=unchanged,
            whole=whole,
            volumes=volumes,
            gone_volumes=gone,
            digest=digest,
        )

    def _mark(self, snapshot: Snapshot) -> Mark:
        self._marked_s = self.clock.monotonic_s()
        self._missing = snapshot.disks.missing if snapshot.disks is not None else ()
        return Mark(snapshot=snapshot)
