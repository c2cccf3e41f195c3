"""Holds the newest snapshot. All changes go through here, on the event loop: each makes exactly one revision.

What pools and volumes merely use is in the snapshot at once, and makes a revision of its own at most once a minute.
"""

import uuid
from collections.abc import Mapping
from dataclasses import replace

from poolfleet_agent.inventory.diff import pool_change
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
        self.seen_since_start = False
        """Whether all pools were looked at by this process: what is restored is told, and never acted on."""
        self._told: Mapping[str, PoolEntry] = {}
        """Each pool as of the last revision that told of it."""
        self._usage_due_s: dict[str, float] = {}

    def restore(self, entries: list[PoolEntry], as_of_s: float) -> None:
        """Begin with what was known before a restart, marked with its age."""
        self._replace(entries, as_of_s)

    def looked_at_all(self, entries: list[PoolEntry], unread: Mapping[str, ModelError], as_of_s: float) -> None:
        """Publish that all pools were looked at: the first time these, later each was published already.

        `unread` are those that could not be: what was known of them stays, with its age.
        """
        self.seen_since_start = True
        if not self.snapshot.loaded:
            self._replace(entries, as_of_s)
        elif not unread:
            self.snapshot = replace(self.snapshot, as_of_s=as_of_s)
        never_read = {name: error for name, error in sorted(unread.items()) if name not in self.snapshot.pools}
        self.snapshot = replace(self.snapshot, never_read=never_read)

    def put(self, entry: PoolEntry) -> None:
        """Publish a look at one pool."""
        pools = dict(self.snapshot.pools)
        known = entry.pool.name in pools
        changed = self._tells(entry)
        pools[entry.pool.name] = entry
        if not known:
            pools = dict(sorted(pools.items()))
        self.snapshot = replace(
            self.snapshot, pools=pools, revision=self._next() if changed else self.snapshot.revision
        )
        if entry.pool.name in self.snapshot.never_read:
            never_read = {name: error for name, error in self.snapshot.never_read.items() if name not in pools}
            self.snapshot = replace(self.snapshot, never_read=never_read)

    def remove(self, pool: str) -> None:
        """Publish that a pool is gone."""
        if pool in self.snapshot.pools:
            pools = {name: entry for name, entry in self.snapshot.pools.items() if name != pool}
            self._told = {name: entry for name, entry in self._told.items() if name != pool}
            self._usage_due_s.pop(pool, None)
            self.snapshot = replace(self.snapshot, pools=pools, revision=self._next())

    def put_disks(self, disks: DomainDisks) -> None:
        """Publish a look at the domains."""
        before = self.snapshot.disks
        changed = before is None or (before.disks, before.missing) != (disks.disks, disks.missing)
        self.snapshot = replace(
            self.snapshot, disks=disks, revision=self._next() if changed else self.snapshot.revision
        )

    def _tells(self, entry: PoolEntry) -> bool:
        """Whether an entry is worth a revision: by the time of its own look, where only usage is new."""
        name, now_s = entry.pool.name, entry.pool.as_of_s
        change = pool_change(self._told.get(name), entry)
        if not change.lasting and not (change.usage and now_s >= self._usage_due_s.get(name, now_s)):
            return False
        self._told = {**self._told, name: entry}
        if change.usage:
            self._usage_due_s[name] = now_s + USAGE_TOLD_EVERY_S
        return True

    def _replace(self, entries: list[PoolEntry], as_of_s: float) -> None:
        pools = {entry.pool.name: entry for entry in sorted(entries, key=lambda entry: entry.pool.name)}
        self._told = pools
        self.snapshot = replace(self.snapshot, loaded=True, pools=pools, as_of_s=as_of_s, revision=self._next())

    def _next(self) -> Revision:
        return replace(self.snapshot.revision, sequence=self.snapshot.revision.sequence + 1)
