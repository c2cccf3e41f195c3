"""Stores what one host told up to a bookmark, within one transaction."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from poolfleet.inventory.model import HostStatus
from poolfleet.inventory.seen import HostSeen, PoolSeen
from poolfleet.inventory.store import schema
from poolfleet.inventory.store.database import Database
from poolfleet.inventory.store.homes import Homes
from poolfleet.inventory.store.placing import Placing
from poolfleet.inventory.store.pools import identity, pool_values
from poolfleet.inventory.store.port import StaleRevision, StoreError
from poolfleet.inventory.store.staged import Staged, StagedPool
from poolfleet.inventory.store.volumes import DAY_S, Teller, Volumes
from poolfleet.types.disk import DomainDisk
from poolfleet.types.inventory import Bookmark
from poolfleet.types.pool import Pool

_POOL = schema.pool
_HOST = schema.host
_SIZE = schema.storage_size
_DISK = schema.domain_disk
# Made once: to make a statement takes as long as to run it.
_POOLS = select(_POOL).where(_POOL.c.host_key == bindparam("of_host"))
_POOL_BY_UUID = _POOLS.where(_POOL.c.uuid == bindparam("of_uuid"))
_NEW_POOL = insert(_POOL).returning(_POOL.c.key)
_CHANGE_POOL = update(_POOL).where(_POOL.c.key == bindparam("of_pool"))
_CHANGE_HOST = update(_HOST).where(_HOST.c.key == bindparam("of_host"))
_LAST_SIZE = select(_SIZE).where(_SIZE.c.storage_key == bindparam("of_storage")).order_by(_SIZE.c.at_s.desc()).limit(1)
_NEW_SIZE = insert(_SIZE)
_FORGET_DISKS = delete(_DISK).where(_DISK.c.host_key == bindparam("of_host"))
_FORGET_DOMAIN = _FORGET_DISKS.where(_DISK.c.domain_uuid == bindparam("of_domain"))

_STORAGE_STEP = 0.01
"""Part of a storage by which its use changes before it is remembered at once."""


class Commit:
    """One host's transaction."""

    def __init__(self, database: Database, connection: Connection, homes: Homes, host: Row[Any]) -> None:
        self._database = database
        self._connection = connection
        self._host = host
        self._placing = Placing(database, connection, homes)
        self._volumes = Volumes(database, connection)
        self._now_s = time.time()

    def run(self, staged: Staged, bookmark: Bookmark) -> None:
        """Store it all. Raises StaleRevision."""
        self._check(bookmark)
        known = {row.uuid: row for row in self._pools()}
        gone = {uuid for uuid, told in staged.pools.items() if told.gone}
        if staged.resync or staged.from_nothing:
            gone |= known.keys() - staged.named_pools
        for uuid in gone & known.keys():
            self._placing.forget(known[uuid])
        unread = {one.pool: one.message or one.reason for one in bookmark.unread_pools}
        for uuid, told in staged.pools.items():
            if not told.gone:
                self._tell(uuid, told, known.get(uuid), self._looked_at_s(staged, told, bookmark))
        # Most often nothing is unread, and nothing was: then no row need be read again.
        never_read = self._mark_unread(unread) if unread or any(row.unread for row in known.values()) else []
        self._domains(staged)
        self._finish(staged, bookmark, never_read)

    def _check(self, bookmark: Bookmark) -> None:
        at, host = bookmark.revision, self._host
        if host.epoch == at.epoch and at.sequence < host.sequence:
            raise StaleRevision(f"{host.name}: told revision {at.sequence}, but {host.sequence} of its epoch is stored")

    def _pools(self) -> Sequence[Row[Any]]:
        return self._connection.execute(_POOLS, {"of_host": self._host.key}).all()

    def _looked_at_s(self, staged: Staged, told: StagedPool, bookmark: Bookmark) -> float:
        """When what is told was seen, by this machine's clock: hosts' clocks differ, ages do not."""
        pool_as_of = told.pool.volumes_as_of if told.pool else None
        if not staged.first or pool_as_of is None or bookmark.as_of is None or bookmark.age_s is None:
            return self._now_s
        return self._now_s - max(0.0, bookmark.age_s + (bookmark.as_of - pool_as_of).total_seconds())

    def _tell(self, uuid: str, told: StagedPool, known: Row[Any] | None, at_s: float) -> None:
        """One pool: itself first, for it says where its volumes belong."""
        if told.pool is None and known is None:
            raise StoreError(f"{self._host.name}: tells of the volumes of a pool that is not stored: {uuid}")
        if told.pool is not None:
            self._settle(uuid, told, told.pool, known, at_s)
        row = self._connection.execute(_POOL_BY_UUID, {"of_host": self._host.key, "of_uuid": uuid}).one()
        if row.active:
            self._volumes.tell(Teller(pool=row.key, storage=row.storage_key, at=at_s), told)
        elif known is not None and known.active:
            self._placing.leave(row.key, row.storage_key)
        self._connection.execute(_CHANGE_POOL, {"of_pool": row.key, "digest": told.digest, "looked_at_s": at_s})
        if told.pool is not None and row.active:
            self._size(row.storage_key, told.pool)

    def _settle(self, uuid: str, told: StagedPool, pool: Pool, known: Row[Any] | None, at_s: float) -> None:
        values = pool_values(pool, at_s)
        if known is None:
            new = {"host_key": self._host.key, "uuid": uuid, "storage_key": schema.NOWHERE, "digest": "", "unread": ""}
            key = self._connection.execute(_NEW_POOL, {**new, **values}).scalar_one()
        else:
            key = known.key
            self._connection.execute(_CHANGE_POOL, {"of_pool": key, **values})
        if known is None or identity(known) != identity(values) or known.name != pool.name:
            host = HostSeen(
                host=self._host.name, status=HostStatus.OK, site=self._host.site, agent_id=self._host.agent_id or ""
            )
            self._placing.settle(key, PoolSeen(host=host, pool=pool), told_whole=told.whole)

    def _size(self, storage_key: int, pool: Pool) -> None:
        """Remember the size of a storage where it has changed, or the last one is a day old."""
        if pool.capacity_bytes is None:
            return
        last = self._connection.execute(_LAST_SIZE, {"of_storage": storage_key}).first()
        # Hosts that see one storage may round differently.
        step = pool.capacity_bytes * _STORAGE_STEP
        if last is not None and (
            last.at_s >= self._now_s
            or (
                self._now_s - last.at_s < DAY_S
                and abs(pool.capacity_bytes - last.capacity_bytes) < step
                and abs((pool.allocation_bytes or 0) - (last.allocation_bytes or 0)) < step
            )
        ):
            return
        self._connection.execute(
            _NEW_SIZE,
            {
                "storage_key": storage_key,
                "at_s": self._now_s,
                "capacity_bytes": pool.capacity_bytes,
                "allocation_bytes": pool.allocation_bytes,
                "available_bytes": pool.available_bytes,
            },
        )

    def _mark_unread(self, unread: dict[str, str]) -> list[str]:
        """Note which pools could not be read; return those of which nothing is known but the name."""
        rows = self._pools()
        for row in rows:
            why = unread.get(row.name, "")
            if row.unread != why:
                self._connection.execute(_CHANGE_POOL, {"of_pool": row.key, "unread": why})
        return sorted(unread.keys() - {row.name for row in rows})

    def _domains(self, staged: Staged) -> None:
        mine = {"of_host": self._host.key}
        if staged.resync or staged.from_nothing:
            # Domains are told whole then, all of them.
            self._connection.execute(_FORGET_DISKS, mine)
        elif staged.domains:
            self._connection.execute(_FORGET_DOMAIN, [{**mine, "of_domain": uuid} for uuid in staged.domains])
        told = staged.domains if not staged.resync else staged.named_domains & staged.domains.keys()
        rows = (
            (self._host.key, uuid, number, *_disk(disk))
            for uuid in told
            for number, disk in enumerate(staged.domains[uuid].disks)
        )
        self._database.load(self._connection, "domain_disk", schema.DISK_COLUMNS, rows)

    def _finish(self, staged: Staged, bookmark: Bookmark, never_read: Sequence[str]) -> None:
        domains_at_s = None
        if bookmark.domains_as_of is not None:
            since_look = bookmark.as_of - bookmark.domains_as_of if bookmark.as_of else None
            domains_at_s = self._now_s - (bookmark.age_s or 0.0) - (since_look.total_seconds() if since_look else 0.0)
        self._connection.execute(
            _CHANGE_HOST,
            {
                "of_host": self._host.key,
                "status": str(HostStatus.OK),
                "error": "",
                "epoch": bookmark.revision.epoch,
                "sequence": bookmark.revision.sequence,
                "filter_digest": bookmark.filter_digest,
                "renew": False if staged.from_nothing else self._host.renew,
                "heard_at_s": self._now_s,
                "looked_at_s": self._now_s - (bookmark.age_s or 0.0),
                "domains_looked_at_s": domains_at_s,
                "domains_missing": "; ".join(bookmark.domains_missing),
                "unread_pools": ", ".join(never_read),
            },
        )
        self._placing.ask_anew(but=self._host.key if staged.from_nothing else None)


def _disk(disk: DomainDisk) -> tuple[object, ...]:
    return (
        disk.domain,
        str(disk.domain_state),
        str(disk.role),
        disk.target,
        disk.source_kind,
        disk.path,
        disk.path.rpartition("/")[2],
        disk.storage_id,
        disk.pool,
        disk.volume,
        disk.read_only,
        disk.shared,
        disk.format,
        disk.depth,
    )
