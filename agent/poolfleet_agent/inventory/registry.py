"""Holds the newest snapshot. All changes go through here, on the event loop: each makes exactly one revision.

What pools and volumes merely use is in the snapshot at once, and makes a revision of its own at most once a minute.
"""

import asyncio
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace

from poolfleet_agent.inventory.diff import PoolChange, domains_changed, pool_change, pool_gone
from poolfleet_agent.inventory.digests import Digests
from poolfleet_agent.inventory.history import History
from poolfleet_agent.inventory.snapshot import PoolEntry, Revision, Snapshot
from poolfleet_agent.model.domain_disk import DomainDisks
from poolfleet_agent.model.errors import ModelError

USAGE_TOLD_EVERY_S = 60.0
"""How often a pool's usage, which changes by itself, makes a revision."""


class Registry:
    """The current snapshot and the ways to replace it."""

    def __init__(self) -> None:
        """Begin a new epoch, with nothing loaded."""
        self.snapshot = Snapshot(revision=Revision(epoch=uuid.uuid4().hex, sequence=0))
        self.told: Mapping[str, PoolEntry] = {}
        """Each pool as of the last revision that told of it: all of them are the state of the snapshot's revision."""
        self.history = History()
        self.digests = Digests()
        self.seen = asyncio.Event()
        """Set when all pools were looked at by this process: what is restored is told, and never acted on."""
        self._usage_due_s: dict[str, float] = {}

    @property
    def seen_since_start(self) -> bool:
        """Whether all pools were looked at by this process."""
        return self.seen.is_set()

    def restore(self, entries: list[PoolEntry], as_of_s: float) -> None:
        """Begin with what was known before a restart, marked with its age."""
        self._replace(entries, as_of_s)

    def looked_at_all(self, entries: list[PoolEntry], unread: Mapping[str, ModelError], as_of_s: float) -> None:
        """Publish that all pools were looked at: the first time these, later each was published already.

        `unread` are those that could not be: what was known of them stays, with its age.
        """
        self.seen.set()
        if not self.snapshot.loaded:
            self._replace(entries, as_of_s)
        elif not unread:
            self.snapshot = replace(self.snapshot, as_of_s=as_of_s)
        never_read = {name: error for name, error in sorted(unread.items()) if name not in self.snapshot.pools}
        self.snapshot = replace(self.snapshot, never_read=never_read)

    def put(self, entry: PoolEntry) -> None:
        """Publish a look at one pool."""
        name = entry.pool.name
        pools = {**self.snapshot.pools, name: entry}
        if name not in self.snapshot.pools:
            pools = dict(sorted(pools.items()))
        never_read = self.snapshot.never_read
        if name in never_read:
            never_read = {other: error for other, error in never_read.items() if other != name}
        self.snapshot = replace(self.snapshot, pools=pools, never_read=never_read)
        changes = tuple(_changes(self.told.get(name), entry))
        if self._is_worth_telling(changes[-1], entry):
            self._tell({**self.told, name: entry}, changes)

    def remove(self, pool: str) -> None:
        """Publish that a pool is gone."""
        if pool in self.snapshot.pools:
            pools = {name: entry for name, entry in self.snapshot.pools.items() if name != pool}
            self.snapshot = replace(self.snapshot, pools=pools)
            self._usage_due_s.pop(pool, None)
            told = {name: entry for name, entry in self.told.items() if name != pool}
            self._tell(told, (pool_gone(self.told[pool]),))

    def put_disks(self, disks: DomainDisks) -> None:
        """Publish a look at the domains."""
        before = self.snapshot.disks
        self.snapshot = replace(self.snapshot, disks=disks)
        if before is None or (before.disks, before.missing) != (disks.disks, disks.missing):
            self._tell(self.told, domains=domains_changed(before, disks))

    def _replace(self, entries: list[PoolEntry], as_of_s: float) -> None:
        pools = {entry.pool.name: entry for entry in sorted(entries, key=lambda entry: entry.pool.name)}
        changes = [pool_gone(entry) for name, entry in self.told.items() if name not in pools]
        changes += [change for name, entry in pools.items() for change in _changes(self.told.get(name), entry)]
        self.snapshot = replace(self.snapshot, loaded=True, pools=pools, as_of_s=as_of_s)
        self._tell(pools, tuple(changes))

    def _is_worth_telling(self, change: PoolChange, entry: PoolEntry) -> bool:
        """Whether an entry makes a revision: by the time of its own look, where only usage is new."""
        name, now_s = entry.pool.name, entry.pool.as_of_s
        due_s = self._usage_due_s.get(name, now_s)
        # Or else a clock that was set back would have it wait for hours.
        waits = due_s - USAGE_TOLD_EVERY_S <= now_s < due_s
        if not change.lasting and (waits or not change.usage):
            return False
        if change.usage:
            self._usage_due_s[name] = now_s + USAGE_TOLD_EVERY_S
        return True

    def _tell(
        self,
        told: Mapping[str, PoolEntry],
        changes: tuple[PoolChange, ...] = (),
        domains: frozenset[str] = frozenset(),
    ) -> None:
        """Make a revision."""
        before, self.told = self.told, told
        self.digests.follow(before, told, changes)
        revision = replace(self.snapshot.revision, sequence=self.snapshot.revision.sequence + 1)
        self.snapshot = replace(self.snapshot, revision=revision)
        self.history.add(revision.sequence, changes, domains)


def _changes(before: PoolEntry | None, after: PoolEntry) -> Iterator[PoolChange]:
    """What became of a name; what has another UUID is another pool."""
    if before is not None and before.pool.facts.uuid != after.pool.facts.uuid:
        yield pool_gone(before)
        before = None
    yield pool_change(before, after)
