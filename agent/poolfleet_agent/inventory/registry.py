"""Holds the newest snapshot. All changes go through here, on the event loop: each makes exactly one revision."""

import asyncio
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace

from poolfleet_agent.inventory.changes import PoolTouched, touched, touched_domains
from poolfleet_agent.inventory.digests import Digests
from poolfleet_agent.inventory.history import History
from poolfleet_agent.inventory.snapshot import PoolEntry, Revision, Snapshot
from poolfleet_agent.model.domain_disk import DomainDisks
from poolfleet_agent.model.errors import ModelError


class Registry:
    """The current snapshot and the ways to replace it."""

    def __init__(self) -> None:
        """Begin a new epoch, with nothing loaded."""
        self.snapshot = Snapshot(revision=Revision(epoch=uuid.uuid4().hex, sequence=0))
        self.history = History()
        self.digests = Digests()
        self.seen = asyncio.Event()
        """Set when all pools were looked at by this process: what is restored is told, and never acted on."""

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
        known = self.snapshot.pools.get(entry.pool.name)
        pools = {**self.snapshot.pools, entry.pool.name: entry}
        if known is None:
            pools = dict(sorted(pools.items()))
        never_read = self.snapshot.never_read
        if entry.pool.name in never_read:
            never_read = {name: error for name, error in never_read.items() if name not in pools}
        changes = tuple(self._changes(known, entry))
        self.snapshot = replace(self.snapshot, pools=pools, never_read=never_read)
        if changes:
            self._next(changes)

    def remove(self, pool: str) -> None:
        """Publish that a pool is gone."""
        gone = self.snapshot.pools.get(pool)
        if gone is not None:
            pools = {name: entry for name, entry in self.snapshot.pools.items() if name != pool}
            self.snapshot = replace(self.snapshot, pools=pools)
            self._next(tuple(self._changes(gone, None)))

    def put_disks(self, disks: DomainDisks) -> None:
        """Publish a look at the domains."""
        before = self.snapshot.disks
        self.snapshot = replace(self.snapshot, disks=disks)
        if before is None or (before.disks, before.missing) != (disks.disks, disks.missing):
            self._next(domains=touched_domains(before, disks))

    def _replace(self, entries: list[PoolEntry], as_of_s: float) -> None:
        before = self.snapshot.pools
        pools = {entry.pool.name: entry for entry in sorted(entries, key=lambda entry: entry.pool.name)}
        changes = [change for name in before.keys() - pools.keys() for change in self._changes(before[name], None)]
        changes += [change for name, entry in pools.items() for change in self._changes(before.get(name), entry)]
        self.snapshot = replace(self.snapshot, loaded=True, pools=pools, as_of_s=as_of_s)
        self._next(tuple(changes))

    def _changes(self, before: PoolEntry | None, after: PoolEntry | None) -> Iterator[PoolTouched]:
        """Compare two looks at a name; what has another UUID is another pool."""
        if before is not None and after is not None and before.pool.facts.uuid != after.pool.facts.uuid:
            yield from self._changes(before, None)
            before = None
        change = touched(before, after)
        if change is None:
            return
        if after is None:
            # Renamed, it may have been seen under its new name before it was missed under the old one.
            if all(entry is before or entry.pool.facts.uuid != change.uuid for entry in self.snapshot.pools.values()):
                self.digests.forget(change.uuid)
        else:
            names = after.volumes if change.whole else change.volumes | change.volumes_usage
            self.digests.follow(before, after, names)
        yield change

    def _next(self, pools: tuple[PoolTouched, ...] = (), domains: frozenset[str] = frozenset()) -> None:
        revision = replace(self.snapshot.revision, sequence=self.snapshot.revision.sequence + 1)
        self.snapshot = replace(self.snapshot, revision=revision)
        self.history.add(revision.sequence, pools, domains)
