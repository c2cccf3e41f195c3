"""Holds the newest snapshot. All changes go through here, on the event loop: each makes exactly one revision."""

import uuid
from collections.abc import Mapping
from dataclasses import fields, replace
from operator import attrgetter

from poolfleet_agent.inventory.snapshot import PoolEntry, Revision, Snapshot
from poolfleet_agent.model.domain_disk import DomainDisks
from poolfleet_agent.model.errors import ModelError
from poolfleet_agent.model.pool import Pool, PoolHealth


class Registry:
    """The current snapshot and the ways to replace it."""

    def __init__(self) -> None:
        """Begin a new epoch, with nothing loaded."""
        self.snapshot = Snapshot(revision=Revision(epoch=uuid.uuid4().hex, sequence=0))
        self.seen_since_start = False
        """Whether all pools were looked at by this process: what is restored is told, and never acted on."""

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
        changed = not known or _differs(pools[entry.pool.name], entry)
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
            self.snapshot = replace(self.snapshot, pools=pools, revision=self._next())

    def put_disks(self, disks: DomainDisks) -> None:
        """Publish a look at the domains."""
        before = self.snapshot.disks
        changed = before is None or (before.disks, before.missing) != (disks.disks, disks.missing)
        self.snapshot = replace(
            self.snapshot, disks=disks, revision=self._next() if changed else self.snapshot.revision
        )

    def _replace(self, entries: list[PoolEntry], as_of_s: float) -> None:
        pools = {entry.pool.name: entry for entry in sorted(entries, key=lambda entry: entry.pool.name)}
        self.snapshot = replace(self.snapshot, loaded=True, pools=pools, as_of_s=as_of_s, revision=self._next())

    def _next(self) -> Revision:
        return replace(self.snapshot.revision, sequence=self.snapshot.revision.sequence + 1)


_LASTING = attrgetter(*({field.name for field in fields(Pool)} - {"as_of_s", "volumes_as_of_s", "health"}))
_LASTING_HEALTH = attrgetter(*({field.name for field in fields(PoolHealth)} - {"probed_at_s"}))


def _differs(before: PoolEntry, after: PoolEntry) -> bool:
    """Whether there is more to tell than that it was looked at again."""
    if _lasting(before.pool) != _lasting(after.pool):
        return True
    if before.volumes is after.volumes:
        return False
    return before.volumes.keys() != after.volumes.keys() or any(
        record is not before.volumes[name] and record.encoded != before.volumes[name].encoded
        for name, record in after.volumes.items()
    )


def _lasting(pool: Pool) -> object:
    return _LASTING(pool), pool.health and _LASTING_HEALTH(pool.health)
