"""Keeps the snapshot fresh: after libvirt's events, after reconnections, and periodically. One task owns it all."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import structlog

from poolfleet_agent.inventory.disks import resolve_disks
from poolfleet_agent.inventory.intents import Intents
from poolfleet_agent.inventory.look import Looker
from poolfleet_agent.inventory.own_changes import OwnChanges
from poolfleet_agent.inventory.registry import Registry
from poolfleet_agent.inventory.restore import store_snapshot
from poolfleet_agent.inventory.snapshot import PoolEntry, Snapshot, VolumeRecord
from poolfleet_agent.inventory.storages import is_same_pool
from poolfleet_agent.inventory.turns import Turns
from poolfleet_agent.inventory.wishes import Wishes
from poolfleet_agent.model.domain_disk import DomainDisks
from poolfleet_agent.model.errors import ModelError
from poolfleet_agent.model.pool import PoolDefinition, PoolState
from poolfleet_agent.model.ports import (
    Clock,
    ConnectionEvent,
    DomainEvent,
    Files,
    Hypervisor,
    HypervisorEvent,
    PoolEvent,
    PoolEventKind,
    SnapshotStore,
)

RETRY_S = 1.0
"""How soon a look that failed is tried again while libvirt is connected."""

LONGEST_AGAIN_S = 8.0
"""The same for pools whose starts and stops cannot be judged yet: twice as long each time, up to this."""

FIRST_PROBES_S = 5.0
"""How long the first look waits for the first probes of the host's network mounts."""

REST = 4.0
"""After a look so many times as long as it took is none: what tells of changes may come faster than looks end."""

LONGEST_REST_S = 2.0

REFRESHES_REST = 20.0

LONGEST_REFRESHES_REST_S = 0.5
"""The same for a look that nothing but refreshes leads to: most are the agent's own, after changes that it has told."""

STORED_EVERY_S = 10.0
"""How often the snapshot is stored at most for volumes alone: thousands are written anew for one that changed."""

_Standing: TypeAlias = tuple[str, PoolState, str]
"""What there is of a pool itself: how it is defined, whether it runs, which storage lies behind it."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DisksSeen:
    """What the domains use, the pools that their disks were placed in, and when (monotonic) they began to be read."""

    disks: DomainDisks
    pools: Mapping[str, PoolEntry]
    looked_at_s: float


@dataclass(kw_only=True)
class Observer:
    """The task that looks."""

    looker: Looker
    hypervisor: Hypervisor
    registry: Registry
    intents: Intents
    files: Files
    store: SnapshotStore
    clock: Clock
    staleness_s: float
    own_changes: OwnChanges
    server_answers: Callable[[PoolDefinition], Awaitable[bool]]
    """Whether the server of a network pool answers a probe."""
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _urgent: asyncio.Event = field(default_factory=asyncio.Event)
    """Set where something else than a refresh woke it."""
    _pools: set[str] = field(default_factory=set)
    _everything: bool = True
    _domains: bool = True
    _saved_sequence: int = -1
    _saved_pools: dict[str, _Standing] = field(default_factory=dict)
    _save_due_s: float = 0.0
    _disks_seen: DisksSeen | None = None

    def __post_init__(self) -> None:
        """Nothing is looked at yet."""
        self.wishes = Wishes(
            registry=self.registry,
            intents=self.intents,
            clock=self.clock,
            own_changes=self.own_changes,
            server_answers=self.server_answers,
            look=partial(self._look_at, look=self.looker.pool_facts),
        )
        self._disks: Turns[DomainDisks] = Turns("look at domains", self._look_at_domains)

    def hear(self, event: HypervisorEvent) -> None:
        """Take an event from the hypervisor; work is only noted here."""
        is_urgent = True
        match event:
            case ConnectionEvent(connected=True):
                self._everything = self._domains = True
            case DomainEvent():
                self._domains = True
            case PoolEvent(kind=kind, pool=pool):
                self._pools.add(pool)
                self.wishes.hear(event)
                is_urgent = kind is not PoolEventKind.REFRESHED
        self._wake_up(is_urgent=is_urgent)

    def _mounts_changed(self) -> None:
        if pools := self.looker.mounts_changed():
            self._pools.update(pools)
            self._wake_up(is_urgent=True)

    def _wake_up(self, *, is_urgent: bool) -> None:
        self._wake.set()
        if is_urgent:
            self._urgent.set()

    async def run(self) -> None:
        """Look, for ever; ends by cancellation."""
        self.hypervisor.subscribe(self.hear)
        self.looker.pool_mounts.watch.subscribe(self._mounts_changed)
        next_full_s, again_s = self.clock.monotonic_s(), RETRY_S
        # What libvirt is asked about a share that nobody has asked yet may hang.
        await self.looker.pool_mounts.watch.wait_until_probed(FIRST_PROBES_S)
        while True:
            # Before anything is looked at: what is heard from here on wakes the next round, connected or not.
            self._wake.clear()
            self._urgent.clear()
            if self.clock.monotonic_s() >= next_full_s:
                self._everything = self._domains = True
            delay_s = self.staleness_s
            began_s = self.clock.monotonic_s()
            if self.hypervisor.facts().connected:
                try:
                    full = self._everything
                    again = await self._look_once()
                    # A call that hangs would only be joined by another: such a pool waits for the next look at all.
                    self._pools.update(pool for pool in again if not self.hypervisor.pool_hangs(pool))
                    delay_s = min(again_s, delay_s) if again else delay_s
                    again_s = min(2 * again_s, LONGEST_AGAIN_S) if again else RETRY_S
                    if full:
                        next_full_s = self.clock.monotonic_s() + self.staleness_s
                except ModelError as error:
                    log.warning("look failed", reason=error.reason, error=error.message)
                    self._everything = self._domains = True
                    delay_s = RETRY_S
            else:
                self._everything = self._domains = True
            ended_s = self.clock.monotonic_s()
            delay_s = min(delay_s, max(0.0, next_full_s - ended_s) or delay_s)
            rest_s = min(REST * (ended_s - began_s), LONGEST_REST_S, delay_s)
            await asyncio.sleep(rest_s)
            if await _within(delay_s - rest_s, self._wake):
                rest_s = min(REFRESHES_REST * (ended_s - began_s), LONGEST_REFRESHES_REST_S)
                await _within(ended_s + rest_s - self.clock.monotonic_s(), self._urgent)

    async def _look_once(self) -> set[str]:
        """Look at what there is to be looked at; the answer is the pools that have to be looked at again soon."""
        pools, self._pools = self._pools, set()
        wishes = len(self.wishes)
        everything, self._everything = self._everything, False
        domains, self._domains = self._domains, False
        # What the agent's own changes led to must not wait for a look that hangs with its share.
        await self._save_in_turn()
        if everything:
            await self.looker.all_pools()
        else:
            for pool in sorted(pools):
                await self._look_at(pool, look=self.looker.pool)
        again = await self.wishes.note(wishes)
        if domains or everything:
            await self.look_at_domains()
        await self._save_in_turn()
        return again

    async def _look_at(self, pool: str, *, look: Callable[[str], Awaitable[PoolEntry]]) -> None:
        try:
            await look(pool)
        except ModelError as error:
            log.info("look at pool failed", pool=pool, reason=error.reason, error=error.message)

    async def look_at_domains(self) -> DomainDisks:
        """Read what the domains use and publish it."""
        return await self._disks.ask()

    async def close(self) -> None:
        """End what runs and wait for it."""
        await self._disks.close()

    def disks_with(self, entry: PoolEntry, record: VolumeRecord) -> DisksSeen | None:
        """What the domains were last seen to use, if that volume was known when their disks were placed."""
        seen, pool = self._disks_seen, entry.pool
        there = seen.pools.get(pool.name) if seen is not None else None
        known = there.volumes.get(record.facts.name) if there is not None else None
        if there is None or known is None or known.facts.path != record.facts.path:
            return None
        return seen if there.pool.active and is_same_pool(there.pool.facts, pool.facts) else None

    async def _look_at_domains(self, _: str) -> DomainDisks:
        as_of_s, looked_at_s = self.clock.now_s(), self.clock.monotonic_s()
        reading = await self.hypervisor.read_domains()
        links, snapshot = self.looker.pool_mounts.links, self.registry.snapshot
        disks = await resolve_disks(reading, snapshot, self.files, links, as_of_s)
        self.registry.put_disks(disks)
        self._disks_seen = DisksSeen(disks=disks, pools=snapshot.pools, looked_at_s=looked_at_s)
        return disks

    async def _save_in_turn(self) -> None:
        """Store at once what is new of the pools themselves, their volumes now and then: else a later look does it."""
        if self.clock.monotonic_s() >= self._save_due_s or _standings(self.registry.snapshot) != self._saved_pools:
            await self.save()

    async def save(self) -> None:
        """Store the snapshot where it changed since it was last stored; a failure is logged, and tried again later."""
        snapshot = self.registry.snapshot
        if snapshot.loaded and snapshot.revision.sequence != self._saved_sequence:
            try:
                await store_snapshot(snapshot, self.store)
            except ModelError as error:
                log.warning("snapshot cannot be stored", reason=error.reason, error=error.message)
                return
            self._saved_sequence = snapshot.revision.sequence
            self._saved_pools = _standings(snapshot)
            self._save_due_s = self.clock.monotonic_s() + STORED_EVERY_S

    async def save_at_end(self) -> None:
        """Store what the agent's own changes led to since the last look; where that fails, the look before it stays."""
        try:
            await self.save()
        except ModelError as error:
            log.warning("the last snapshot was not stored", reason=error.reason, error=error.message)


async def _within(limit_s: float, event: asyncio.Event) -> bool:
    """Wait for an event; False: it did not come."""
    try:
        async with asyncio.timeout(limit_s):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _standings(snapshot: Snapshot) -> dict[str, _Standing]:
    pools = {name: entry.pool for name, entry in snapshot.pools.items()}
    return {
        name: (pool.etag, pool.facts.state, pool.storage.id if pool.storage is not None else "")
        for name, pool in pools.items()
    }
