"""Stores what one host told up to a bookmark, within a transaction."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from poolfleet.inventory.model import HostStatus
from poolfleet.inventory.seen import HostSeen
from poolfleet.inventory.store import schema
from poolfleet.inventory.store.database import Database
from poolfleet.inventory.store.hosts import HostRecord
from poolfleet.inventory.store.placing import Placing
from poolfleet.inventory.store.pools import POOL_VALUES, KnownPool, is_settled, pool_values, seen_now
from poolfleet.inventory.store.port import StaleRevision, Unstorable
from poolfleet.inventory.store.sizes import Sizes
from poolfleet.inventory.store.staged import Staged, StagedPool
from poolfleet.inventory.store.statement import Statement
from poolfleet.inventory.store.volumes import Teller, Volumes
from poolfleet.types.inventory import Bookmark, PoolRow

_POOL = schema.pool
_HOST = schema.host
_DISK = schema.domain_disk
_KNOWN = (_POOL.c[name] for name in KnownPool._fields)
_POOLS = Statement(select(*_KNOWN).where(_POOL.c.host_key == bindparam("of_host")))
_TOLD = ("digest", "looked_at_s")
_PLACE = ("host_key", "uuid", "storage_key", "unread")
_NEW_POOL = Statement(insert(_POOL).returning(_POOL.c.key), (*_PLACE, *POOL_VALUES, *_TOLD))
_POOL_OF = update(_POOL).where(_POOL.c.key == bindparam("of_pool"))
_CHANGE_POOL = Statement(_POOL_OF, (*POOL_VALUES, *_TOLD))
_CHANGE_TOLD = Statement(_POOL_OF, _TOLD)
_CHANGE_UNREAD = Statement(_POOL_OF, ["unread"])
_HEARD = ("status", "error", "epoch", "sequence", "filter_digest", "renew", "heard_at_s", "looked_at_s",
          "domains_looked_at_s", "domains_missing", "unread_pools")  # fmt: skip
_CHANGE_HOST = Statement(update(_HOST).where(_HOST.c.key == bindparam("of_host")), _HEARD)
_LINK = schema.backing_link
_NEW_LINK = Statement(insert(_LINK))
_FORGET_LINKS = Statement(delete(_LINK).where(_LINK.c.pool_key == bindparam("of_pool")))
_DISKS_OF = delete(_DISK).where(_DISK.c.host_key == bindparam("of_host"))
_FORGET_DISKS = Statement(_DISKS_OF)
_FORGET_DOMAIN = Statement(_DISKS_OF.where(_DISK.c.domain_uuid == bindparam("of_domain")))


class Commit:
    """One host's part of a transaction."""

    def __init__(
        self, database: Database, connection: Connection, placing: Placing, sizes: Sizes, host: HostRecord
    ) -> None:
        self._database = database
        self._connection = connection
        self._host = host
        self._placing = placing
        self._sizes = sizes
        self._volumes = Volumes(database, connection)
        self._now_s = time.time()

    def run(self, staged: Staged, bookmark: Bookmark) -> None:
        """Store it all. Raises Unstorable."""
        self._check(bookmark)
        never_read: list[str] = []
        # Most often a bookmark says no more than that the host is still there.
        if not staged.repeats or bookmark.unread_pools or self._host.unread:
            never_read = self._store(staged, bookmark)
        self._finish(staged, bookmark, never_read)

    def _store(self, staged: Staged, bookmark: Bookmark) -> list[str]:
        """Store what was told; return the pools of which nothing is known but the name."""
        known = {row.uuid: row for row in self._pools()} if self._host.epoch is not None else {}
        gone = {uuid for uuid, told in staged.pools.items() if told.gone}
        if staged.resync or staged.from_nothing:
            gone |= known.keys() - staged.named_pools
        for uuid in gone:
            self._host.digests.pop(uuid, None)
        for uuid in gone & known.keys():
            self._placing.forget(known[uuid].key, known[uuid].storage_key)
        unread = {one.pool: one.message or one.reason for one in bookmark.unread_pools}
        for uuid, told in staged.pools.items():
            if not told.gone:
                self._tell(uuid, told, known.get(uuid), self._looked_at_s(staged, told, bookmark))
        self._domains(staged)
        self._host.unread = bool(unread)
        # Most often nothing is unread, and nothing was: then no row need be read again.
        return self._mark_unread(unread) if unread or any(row.unread for row in known.values()) else []

    def _check(self, bookmark: Bookmark) -> None:
        at, host = bookmark.revision, self._host
        if host.epoch == at.epoch and at.sequence < host.sequence:
            raise StaleRevision(f"{host.name}: told revision {at.sequence}, but {host.sequence} of its epoch is stored")

    def _pools(self) -> list[KnownPool]:
        return list(map(KnownPool._make, _POOLS.run(self._connection, {"of_host": self._host.key}).fetchall()))

    def _looked_at_s(self, staged: Staged, told: StagedPool, bookmark: Bookmark) -> float:
        """When what is told was seen, by this machine's clock: hosts' clocks differ, ages do not."""
        pool_as_of = told.pool.volumes_as_of if told.pool else None
        if not staged.first or pool_as_of is None or bookmark.as_of is None or bookmark.age_s is None:
            return self._now_s
        return self._now_s - max(0.0, bookmark.age_s + (bookmark.as_of - pool_as_of).total_seconds())

    def _tell(self, uuid: str, told: StagedPool, known: KnownPool | None, at_s: float) -> None:
        """One pool: itself first, for it says where its volumes belong."""
        new = {"digest": told.digest, "looked_at_s": at_s}
        if told.pool is not None:
            key, active = self._settle(uuid, told, told.pool, known, new), told.pool.state.active
        elif known is not None:
            key, active = known.key, known.active
            _CHANGE_TOLD.run(self._connection, {"of_pool": key, **new})
        else:
            raise Unstorable(f"{self._host.name}: tells of the volumes of a pool that is not stored: {uuid}")
        storage = self._placing.storage_of(key)
        first = self._placing.is_first_on(storage)
        if active:
            self._volumes.tell(Teller(pool=key, storage=storage, at=at_s), told, empty=first)
        elif known is not None and known.active:
            self._placing.leave(key, storage)
        if told.digest:
            self._host.digests[uuid] = told.digest
        else:
            self._host.digests.pop(uuid, None)
        if told.pool is not None and active:
            self._sizes.tell(self._connection, storage, told.pool, self._now_s, first=first)

    def _settle(
        self, uuid: str, told: StagedPool, pool: PoolRow, known: KnownPool | None, new: Mapping[str, object]
    ) -> int:
        """Store a pool itself, and have it lie where it does; its key."""
        values = {**pool_values(pool), **new}
        if known is None:
            place = {"host_key": self._host.key, "uuid": uuid, "storage_key": schema.NOWHERE, "unread": ""}
            (key,) = _NEW_POOL.run(self._connection, {**place, **values}).fetchall()[0]
        else:
            key = known.key
            _CHANGE_POOL.run(self._connection, {"of_pool": key, **values})
        if known is not None and known.links:
            _FORGET_LINKS.run(self._connection, {"of_pool": key})
        links = ({"pool_key": key, "path": path, "leads_to": leads_to} for path, leads_to in pool.backing_links)
        _NEW_LINK.run_each(self._connection, links)
        if known is None or not is_settled(known, values):
            host = HostSeen(
                host=self._host.name, status=HostStatus.OK, site=self._host.site, agent_id=self._host.agent_id
            )
            self._placing.settle(key, seen_now(host, uuid, pool), new=known is None, told_whole=told.whole)
            if known is not None:
                # Where it has moved, what was stored of its volumes did not count any more; what is told now does.
                _CHANGE_TOLD.run(self._connection, {"of_pool": key, **new})
        return int(key)

    def _mark_unread(self, unread: dict[str, str]) -> list[str]:
        """Note which pools could not be read; return those of which nothing is known but the name."""
        rows = self._pools()
        for row in rows:
            why = unread.get(row.name, "")
            if row.unread != why:
                _CHANGE_UNREAD.run(self._connection, {"of_pool": row.key, "unread": why})
        return sorted(unread.keys() - {row.name for row in rows})

    def _domains(self, staged: Staged) -> None:
        mine = {"of_host": self._host.key}
        if staged.resync or staged.from_nothing:
            # Domains are told whole then, all of them.
            if self._host.epoch is not None:
                _FORGET_DISKS.run(self._connection, mine)
        elif staged.domains:
            _FORGET_DOMAIN.run_each(self._connection, ({**mine, "of_domain": uuid} for uuid in staged.domains))
        told = staged.domains if not staged.resync else staged.named_domains & staged.domains.keys()
        if not told:
            return
        rows = (
            (self._host.key, uuid, number, *row)
            for uuid in told
            for number, row in enumerate(staged.domains[uuid].rows)
        )
        self._database.load(self._connection, "domain_disk", schema.DISK_COLUMNS, rows)

    def _finish(self, staged: Staged, bookmark: Bookmark, never_read: Sequence[str]) -> None:
        host, at = self._host, bookmark.revision
        domains_at_s = None
        if bookmark.domains_as_of is not None:
            since_look = bookmark.as_of - bookmark.domains_as_of if bookmark.as_of else None
            domains_at_s = self._now_s - (bookmark.age_s or 0.0) - (since_look.total_seconds() if since_look else 0.0)
        host.epoch, host.sequence, host.filter_digest = at.epoch, at.sequence, bookmark.filter_digest
        if staged.from_nothing:
            host.renew = False
        _CHANGE_HOST.run(
            self._connection,
            {
                "of_host": host.key,
                "status": str(HostStatus.OK),
                "error": "",
                "epoch": host.epoch,
                "sequence": host.sequence,
                "filter_digest": host.filter_digest,
                "renew": host.renew,
                "heard_at_s": self._now_s,
                "looked_at_s": self._now_s - (bookmark.age_s or 0.0),
                "domains_looked_at_s": domains_at_s,
                "domains_missing": "; ".join(bookmark.domains_missing),
                "unread_pools": ", ".join(never_read),
            },
        )
        self._placing.ask_anew(but=host.key if staged.from_nothing else None)
