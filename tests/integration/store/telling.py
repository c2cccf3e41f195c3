"""Hosts that tell a store what they see, as little as a test needs of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any

from poolfleet.inventory.store.port import InventoryStore, StoredHost
from poolfleet.inventory.store.staged import Staged
from poolfleet.types.disk import DiskRole, DomainState
from poolfleet.types.inventory import (
    Bookmark,
    DiskRow,
    DomainChange,
    InventoryBatch,
    PoolChange,
    PoolRow,
    ResumePoint,
    ResyncReason,
    VolumeRow,
)
from poolfleet.types.pool import PoolState, Storage, StorageIdSource
from poolfleet.types.snapshot import Revision
from poolfleet.types.volume import UnreadPool

GIB = 1 << 30
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHARE = Storage(id="nfs:10.0.0.5/vm", source=StorageIdSource.DERIVED)
EPOCH = "e1"


def row(name: str, **changes: Any) -> VolumeRow:
    usual = VolumeRow(name, None, "file", "qcow2", 10 * GIB, GIB, GIB, None, None, 1.7e9, "", "etag")
    return usual._replace(**changes)


def pool(name: str, storage: Storage | None = SHARE, *, active: bool = True, **changes: Any) -> PoolRow:
    usual = PoolRow(
        name=name, type="netfs", state=PoolState.RUNNING if active else PoolState.INACTIVE, health=None,
        target_path=f"/{name}", filesystem_id="", capacity_bytes=100 * GIB, allocation_bytes=10 * GIB,
        available_bytes=None, provisioned_bytes=None, unaddressable_count=0, backing_links=(), storage=storage,
        volumes_as_of=NOON,
    )  # fmt: skip
    return usual._replace(**changes)


def disk(domain: str, volume: str, *, pool: str = "vm", path: str = "", role: DiskRole = DiskRole.DISK) -> DiskRow:
    path = path or f"/{pool}/{volume}"
    return DiskRow(
        domain=domain, state=str(DomainState.ACTIVE), role=str(role), target="vda", source_kind="file", path=path,
        file_name=path.rpartition("/")[2], storage_id="", pool=pool, volume=volume, read_only=False, shared=False,
        format="qcow2", depth=0,
    )  # fmt: skip


class Teller:
    """One host, which tells at each call one consistent state after the other."""

    def __init__(self, store: InventoryStore, host: str, *, agent_id: str | None = None) -> None:
        self.store, self.host = store, host
        self._sequence = count(1)
        assert store.identify(host, agent_id or f"agent-of-{host}") == ""

    def whole(self, name: str, rows: Iterable[VolumeRow], *, age_s: float | None = None, **more: Any) -> None:
        """The first state of a watch that asked for everything: this pool alone, looked at so long ago."""
        digest = more.pop("digest", "")
        change = PoolChange(
            pool_uuid=f"uuid-of-{name}", name=name, row=pool(name, **more), whole=True, rows=tuple(rows), digest=digest
        )
        self.tell(InventoryBatch(pools=(change,)), first=age_s is not None, from_nothing=True, age_s=age_s or 0.0)

    def tell_also(self, name: str, rows: Iterable[VolumeRow], **more: Any) -> None:
        """A pool that is new."""
        change = PoolChange(
            pool_uuid=f"uuid-of-{name}", name=name, row=pool(name, **more), whole=True, rows=tuple(rows)
        )
        self.tell(InventoryBatch(pools=(change,)))

    def changed(self, name: str, rows: Iterable[VolumeRow] = (), gone: Sequence[str] = (), **more: Any) -> None:
        """A change a moment ago."""
        itself = pool(name, **more) if more else None
        self.tell(
            InventoryBatch(
                pools=(
                    PoolChange(
                        pool_uuid=f"uuid-of-{name}", name=name, row=itself, rows=tuple(rows), gone_volumes=tuple(gone)
                    ),
                )
            )
        )

    def resync(self, *, whole: Mapping[str, Iterable[VolumeRow]], unchanged: Sequence[str] = ()) -> None:
        """Everything anew."""
        told = [
            PoolChange(pool_uuid=f"uuid-of-{name}", name=name, row=pool(name), whole=True, rows=tuple(rows))
            for name, rows in whole.items()
        ]
        same = [
            PoolChange(pool_uuid=f"uuid-of-{name}", name=name, row=pool(name), unchanged=True) for name in unchanged
        ]
        self.tell(InventoryBatch(resync=ResyncReason.OTHER_EPOCH, pools=(*told, *same)), first=True)

    def pool_is_gone(self, name: str) -> None:
        self.tell(InventoryBatch(pools=(PoolChange(pool_uuid=f"uuid-of-{name}", gone=True),)))

    def uses(self, domain: str, *disks: DiskRow) -> None:
        self.tell(InventoryBatch(domains=(DomainChange(domain_uuid=f"uuid-of-{domain}", domain=domain, rows=disks),)))

    def tell(
        self, batch: InventoryBatch, *, first: bool = False, from_nothing: bool = False, age_s: float = 0.0
    ) -> None:
        staged = Staged(first=first, from_nothing=from_nothing)
        staged.apply(batch)
        self.mark(staged, sequence=next(self._sequence), age_s=age_s)

    def mark(
        self, staged: Staged, *, sequence: int, epoch: str = EPOCH, age_s: float = 0.0,
        unread: Sequence[str] = (), missing: Sequence[str] = (),
    ) -> None:  # fmt: skip
        staged.apply(
            InventoryBatch(
                bookmark=Bookmark(
                    revision=Revision(epoch=epoch, sequence=sequence), filter_digest="f", as_of=NOON, age_s=age_s,
                    unread_pools=tuple(_unread(each) for each in unread),
                    domains_as_of=NOON, domains_missing=tuple(missing),
                )
            )
        )  # fmt: skip
        self.store.commit(self.host, staged)


def _unread(pool: str) -> UnreadPool:
    return UnreadPool(pool=pool, reason="POOL_UNRESPONSIVE", message="")


def tellers(store: InventoryStore, *names: str) -> list[Teller]:
    """Enrol hosts, each with an agent."""
    store.enrol([StoredHost(name=name) for name in names], only=True)
    return [Teller(store, name) for name in names]


def resume_point(store: InventoryStore, host: str) -> ResumePoint | None:
    return store.standings()[host].point


def read(store: InventoryStore, sql: str) -> list[tuple[Any, ...]]:
    with store.query(sql) as found:
        return [tuple(one) for one in found.rows]


def names(store: InventoryStore, storage: str | None = None) -> list[str]:
    """The volumes that are stored, of one storage or of all, each as often as it is."""
    found = read(store, "SELECT storage, name FROM volumes ORDER BY name")
    return [name for lies_on, name in found if storage in (None, lies_on)]
