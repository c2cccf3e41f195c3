"""Puts pools on the storages that they lie on, within one transaction: their volumes move with them."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from poolfleet.inventory.seen import PoolSeen
from poolfleet.inventory.store import schema
from poolfleet.inventory.store.database import Database
from poolfleet.inventory.store.homes import Homes, Settled
from poolfleet.inventory.store.hosts import Hosts
from poolfleet.inventory.store.volumes import Volumes

_POOL, _HOST, _STORAGE, _LINK = schema.pool, schema.host, schema.storage, schema.backing_link
_PLACE = select(_POOL.c.storage_key, _POOL.c.host_key, _POOL.c.active, _POOL.c.uuid).where(
    _POOL.c.key == bindparam("of_pool")
)
_CHANGE_POOL = update(_POOL).where(_POOL.c.key == bindparam("of_pool"))
_NEW_STORAGE = insert(_STORAGE).returning(_STORAGE.c.key)


class Placing:
    """The pools of all hosts, within one transaction."""

    def __init__(self, database: Database, connection: Connection, homes: Homes, hosts: Hosts) -> None:
        self._connection = connection
        self._homes = homes
        self._hosts = hosts
        self._volumes = Volumes(database, connection)
        self._told_anew: set[int] = set()
        self._fresh: set[int] = set()

    def is_first_on(self, storage_key: int) -> bool:
        """Whether nothing was stored of a storage before, nor asked for."""
        first = storage_key in self._fresh
        self._fresh.discard(storage_key)
        return first

    def storage_of(self, pool_key: int) -> int:
        """The key of the storage that a pool lies on."""
        return self._homes.storage_of(pool_key)

    def settle(self, pool_key: int, seen: PoolSeen, *, new: bool, told_whole: bool) -> None:
        """Put a pool where it lies, new or changed, and others that turn out to lie elsewhere by that.

        told_whole: all of its volumes are told now, and what is known of them need not come along.
        """
        settled = self._homes.settle(pool_key, seen, self._new_storage)
        if new:
            # Nothing is known of it yet that could move.
            place = {"of_pool": pool_key, "storage_key": settled.moved[pool_key]}
            self._connection.execute(_CHANGE_POOL, place)
        self._apply(settled, told_whole=pool_key if told_whole else None, placed=pool_key if new else None)

    def settle_all(self) -> None:
        """Put every pool where it lies: what was held together by pools that are gone is so no more."""
        self._apply(self._homes.settle_all(self._new_storage))
        self.ask_anew()

    def forget(self, pool_key: int, storage_key: int) -> None:
        """Forget a pool; what others see of its storage stays."""
        self._connection.execute(delete(_LINK).where(_LINK.c.pool_key == pool_key))
        self._connection.execute(delete(_POOL).where(_POOL.c.key == pool_key))
        self._homes.leave(pool_key)
        self.leave(pool_key, storage_key)

    def leave(self, pool_key: int, storage_key: int) -> None:
        """End a pool's word on a storage."""
        heir = self._volumes.leave(pool_key, storage_key)
        if heir is not None:
            self._told_anew.add(heir)

    def ask_anew(self, *, but: int | None = None) -> None:
        """Have the hosts asked for everything next time whose word now counts for what others told; not host `but`."""
        hosts = self._told_anew - {but}
        if hosts:
            self._connection.execute(update(_HOST).where(_HOST.c.key.in_(hosts)).values(renew=True))
            self._hosts.ask_anew(hosts)
        self._told_anew.clear()

    def _apply(self, settled: Settled, *, told_whole: int | None = None, placed: int | None = None) -> None:
        for storage_key, storage_id in settled.renamed.items():
            self._connection.execute(update(_STORAGE).where(_STORAGE.c.key == storage_key).values(id=storage_id))
        for pool_key, storage_key in settled.moved.items():
            if pool_key != placed:
                self._move(pool_key, storage_key, told_whole=pool_key == told_whole)

    def _move(self, pool_key: int, storage_key: int, *, told_whole: bool) -> None:
        before = self._connection.execute(_PLACE, {"of_pool": pool_key}).one()
        if before.storage_key == storage_key:
            return
        self._connection.execute(_CHANGE_POOL, {"of_pool": pool_key, "storage_key": storage_key, "digest": ""})
        self._hosts.digest_is_void(before.host_key, before.uuid)
        self._fresh.discard(storage_key)
        if before.active and not told_whole:
            self._volumes.move(pool_key, before=before.storage_key, after=storage_key)
            self._told_anew.add(before.host_key)
        self.leave(pool_key, before.storage_key)

    def _new_storage(self, storage_id: str) -> int:
        key = int(self._connection.execute(_NEW_STORAGE, {"id": storage_id}).scalar_one())
        self._fresh.add(key)
        return key
