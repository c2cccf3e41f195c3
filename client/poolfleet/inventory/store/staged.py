"""What one host told since its last bookmark, put together in memory until the next one, where it is stored at once."""

from __future__ import annotations

from dataclasses import dataclass, field

from poolfleet.types.inventory import Bookmark, DomainChange, InventoryBatch, PoolChange, VolumeRow
from poolfleet.types.pool import Pool


@dataclass(slots=True)
class StagedPool:
    """What is new of one pool."""

    pool: Pool | None = None
    """None: it is as it was, but for its volumes."""
    gone: bool = False
    whole: bool = False
    """`rows` are all that there are."""
    rows: dict[str, VolumeRow] = field(default_factory=dict)
    gone_volumes: set[str] = field(default_factory=set)
    digest: str = ""

    def apply(self, change: PoolChange) -> None:
        """Take over a change that followed."""
        if change.gone:
            self.pool, self.gone, self.whole, self.rows, self.gone_volumes = None, True, True, {}, set()
            return
        self.pool = change.pool or self.pool
        self.gone = False
        if change.whole:
            self.whole, self.rows, self.gone_volumes = True, {}, set()
        for row in change.rows:
            self.rows[row.name] = row
        self.gone_volumes.difference_update(row.name for row in change.rows)
        for name in change.gone_volumes:
            self.rows.pop(name, None)
            self.gone_volumes.add(name)
        self.digest = change.digest


@dataclass(slots=True)
class Staged:
    """Everything up to a bookmark: pools by UUID, the disks of domains by UUID."""

    first: bool = False
    """The first state of a watch: it tells what was looked at some time ago, not a moment ago."""
    from_nothing: bool = False
    """The first state of a watch that asked for everything."""
    resync: bool = False
    """What is not in `named` is gone."""
    pools: dict[str, StagedPool] = field(default_factory=dict)
    domains: dict[str, DomainChange] = field(default_factory=dict)
    named_pools: set[str] = field(default_factory=set)
    named_domains: set[str] = field(default_factory=set)
    bookmark: Bookmark | None = None

    def apply(self, batch: InventoryBatch) -> None:
        """Take over what was told."""
        if batch.resync is not None:
            self.resync = True
            self.named_pools, self.named_domains = set(), set()
        for change in batch.pools:
            self.named_pools.add(change.pool_uuid)
            self.pools.setdefault(change.pool_uuid, StagedPool()).apply(change)
        for domain in batch.domains:
            self.named_domains.add(domain.domain_uuid)
            self.domains[domain.domain_uuid] = domain
        self.bookmark = batch.bookmark

    @property
    def volumes(self) -> int:
        """How many volumes were told, or told to be gone."""
        return sum(len(pool.rows) + len(pool.gone_volumes) for pool in self.pools.values())
