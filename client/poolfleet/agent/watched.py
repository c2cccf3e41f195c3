"""The inventory of one host as a watcher has it: kept by what it is told, and where to go on after an interruption."""

from __future__ import annotations

from poolfleet.types.disk import DomainDisk
from poolfleet.types.inventory import Bookmark, DomainChange, InventoryBatch, PoolChange, ResumePoint
from poolfleet.types.pool import Pool
from poolfleet.types.volume import Volume


class WatchedInventory:
    """Pools by UUID, volumes by the UUID of their pool and their name, disks by the UUID of their domain.

    They are one consistent state whenever `apply` has answered True, and on the way to the next one in between.
    """

    def __init__(self) -> None:
        """Know nothing yet."""
        self.pools: dict[str, Pool] = {}
        self.volumes: dict[str, dict[str, Volume]] = {}
        self.disks: dict[str, tuple[DomainDisk, ...]] = {}
        self.bookmark: Bookmark | None = None
        self._digests: dict[str, str] = {}
        self._unseen: set[str] = set()
        self._unseen_domains: set[str] = set()

    def apply(self, batch: InventoryBatch) -> bool:
        """Take over what was told; whether the state is consistent now."""
        if batch.resync is not None:
            self._unseen, self._unseen_domains = set(self.pools), set(self.disks)
        for change in batch.pools:
            self._apply_pool(change)
        for domain in batch.domains:
            self._apply_domain(domain)
        if batch.bookmark is None:
            return False
        for pool_uuid in self._unseen:
            self._forget(pool_uuid)
        for domain_uuid in self._unseen_domains:
            del self.disks[domain_uuid]
        self._unseen, self._unseen_domains = set(), set()
        self.bookmark = batch.bookmark
        return True

    def resume(self) -> ResumePoint | None:
        """Begin a new watch where the last one ended, also on the way between two states; None: from nothing."""
        self._unseen, self._unseen_domains = set(), set()
        if self.bookmark is None:
            # What a watch told that ended before its first state was whole may be gone by the next one.
            for known in (self.pools, self.volumes, self.disks, self._digests):
                known.clear()
            return None
        digests = {pool_uuid: digest for pool_uuid, digest in self._digests.items() if digest}
        return ResumePoint(bookmark=self.bookmark, digests=digests)

    def _apply_pool(self, change: PoolChange) -> None:
        if change.gone:
            self._forget(change.pool_uuid)
            return
        self._unseen.discard(change.pool_uuid)
        if change.pool is not None:
            self.pools[change.pool_uuid] = change.pool
        if change.whole:
            self.volumes[change.pool_uuid] = {}
        volumes = self.volumes.setdefault(change.pool_uuid, {})
        volumes.update({volume.name: volume for volume in change.volumes})
        for name in change.gone_volumes:
            volumes.pop(name, None)
        self._digests[change.pool_uuid] = change.digest

    def _apply_domain(self, change: DomainChange) -> None:
        self._unseen_domains.discard(change.domain_uuid)
        if change.disks:
            self.disks[change.domain_uuid] = change.disks
        else:
            self.disks.pop(change.domain_uuid, None)

    def _forget(self, pool_uuid: str) -> None:
        for known in (self.pools, self.volumes, self._digests):
            known.pop(pool_uuid, None)
