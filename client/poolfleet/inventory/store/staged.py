"""What one host told since its last bookmark, put together in memory until the next one, where it is stored at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from poolfleet.types.inventory import Bookmark, DomainChange, InventoryBatch, PoolChange, PoolRow, VolumeRow


@dataclass(slots=True)
class StagedPool:
    """What is new of one pool."""

    pool: PoolRow | None = None
    """None: it is as it was, but for its volumes."""
    gone: bool = False
    whole: bool = False
    """`rows` are all that there are."""
    digest: str = ""
    told: list[tuple[Collection[VolumeRow], Sequence[str]]] = field(default_factory=list)
    """Rows, and then the names of those gone, as they came one after the other."""

    def apply(self, change: PoolChange) -> None:
        """Take over a change that followed."""
        if change.gone:
            self.pool, self.gone, self.whole, self.told = None, True, True, []
            return
        self.pool = change.row or self.pool
        self.gone = False
        if change.whole:
            self.whole, self.told = True, []
        if change.rows or change.gone_volumes:
            self.told.append((change.rows, change.gone_volumes))
        self.digest = change.digest

    def volumes(self) -> tuple[Collection[VolumeRow], Collection[str]]:
        """The rows that are new, each once, and the names of those that are gone."""
        if len(self.told) == 1 and not self.told[0][1]:
            return self.told[0]  # a message has each once
        rows: dict[str, VolumeRow] = {}
        gone: set[str] = set()
        for told, gone_then in self.told:
            for row in told:
                rows[row.name] = row
                gone.discard(row.name)
            for name in gone_then:
                rows.pop(name, None)
                gone.add(name)
        return rows.values(), gone


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
        return sum(len(rows) + len(gone) for pool in self.pools.values() for rows, gone in pool.told)

    @property
    def repeats(self) -> bool:
        """Whether nothing was told but the bookmark."""
        return not (self.pools or self.domains or self.resync or self.from_nothing)
