"""What a store does not know: why it may not be said of a volume that nobody uses it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from poolfleet.inventory.identity import join
from poolfleet.inventory.model import HostStatus
from poolfleet.inventory.signs import all_have_signed, strangers
from poolfleet.inventory.store.pools import seen
from poolfleet.inventory.store.port import InventoryStore
from poolfleet.types.pool import StorageIdSource

_HOSTS = """
    SELECT key, name, status, error, agent_id, heard_at_s, domains_looked_at_s, domains_missing, unread_pools
    FROM host ORDER BY name"""
_POOLS = """
    SELECT pool.*, host.name AS host, host.site, host.agent_id, host.status FROM pool JOIN host ON host.key = host_key
    ORDER BY host.name, pool.name"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """What is missing, a sentence each."""

    hosts: int
    everywhere: tuple[str, ...]
    """What may concern any storage: a host that was never heard of may have it."""
    by_storage: Mapping[int, tuple[str, ...]]
    """What concerns a storage, by its key in the store."""
    not_exclusive: frozenset[int]
    """Storages that hosts outside of the fleet may have too."""
    unidentified: frozenset[int]
    """Storages without an id, of which nobody can tell whether another host of the fleet has them too."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Everything, each sentence once."""
        return tuple(dict.fromkeys((*self.everywhere, *(line for each in self.by_storage.values() for line in each))))

    def of(self, storage_key: int) -> tuple[str, ...]:
        """What is not known of one storage."""
        return (*self.everywhere, *self.by_storage.get(storage_key, ()))


class _Record:
    """A row by the names of its columns."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


def completeness(store: InventoryStore, *, max_age_s: float) -> Completeness:
    """Say what is missing; a host that was last heard of longer ago than `max_age_s` is. Raises StoreError."""
    hosts, pools = _records(store, _HOSTS), _records(store, _POOLS)
    everywhere: list[str] = []
    of_host: dict[int, list[str]] = {}
    for host in hosts:
        lacks = list(_lacking(host, max_age_s))
        # Where it has pools is known of a host that has told once, not of one whose agent only said who it is.
        if host.heard_at_s is not None or host.status == HostStatus.DUPLICATE:
            of_host[host.key] = lacks
        else:
            everywhere += lacks
        # So is not where such pools lie.
        if host.unread_pools:
            everywhere.append(f"{host.name}: pools that were never read: {host.unread_pools}")
    by_storage: defaultdict[int, dict[str, None]] = defaultdict(dict)
    for pool in pools:
        lacks = [*of_host.get(pool.host_key, ()), *_unseen(pool)]
        by_storage[pool.storage_key].update(dict.fromkeys(lacks))
    not_exclusive, unidentified = set(), set()
    of_any_host = dict.fromkeys(line for lacks in of_host.values() for line in lacks)
    agent_ids = {host.agent_id for host in hosts}
    key_of = {(pool.host, pool.name): pool.storage_key for pool in pools}
    for storage in join(seen(pool) for pool in pools):
        key = key_of[storage.pools[0].place]
        if storage.conflict:
            by_storage[key][f"{storage.storage_id}: identity conflict: {storage.conflict}"] = None
        by_storage[key].update(dict.fromkeys(strangers(storage, agent_ids)))
        if not storage.local_to:
            # Domains of hosts without such a pool may use it all the same, by a path that leads there.
            by_storage[key].update(of_any_host)
            if not all_have_signed(storage):
                not_exclusive.add(key)
        if storage.source is StorageIdSource.UNKNOWN and len(hosts) > 1:
            unidentified.add(key)
    return Completeness(
        hosts=len(hosts),
        everywhere=tuple(everywhere),
        by_storage={key: tuple(lines) for key, lines in by_storage.items() if lines},
        not_exclusive=frozenset(not_exclusive),
        unidentified=frozenset(unidentified),
    )


def _lacking(host: _Record, max_age_s: float) -> list[str]:
    if host.status == HostStatus.DUPLICATE:
        old = host.heard_at_s is not None
        return [f"{host.name} answers as another host's agent now: what is stored of it is old"] if old else []
    if not host.agent_id or host.heard_at_s is None:
        return [f"{host.name} was never heard of: {host.error or 'no answer'}"]
    lacks = []
    age_s = time.time() - host.heard_at_s
    if host.status != HostStatus.OK:
        lacks.append(f"{host.name}: {host.status}: {host.error or 'no answer'}")
    elif age_s > max_age_s:
        lacks.append(f"{host.name} was last heard of {timedelta(seconds=round(age_s))} ago")
    if host.domains_looked_at_s is None:
        lacks.append(f"{host.name}: its domains were never read")
    elif host.domains_missing:
        lacks.append(f"{host.name}: some domains could not be read: {host.domains_missing}")
    return lacks


def _unseen(pool: _Record) -> list[str]:
    lacks = []
    if pool.unread:
        lacks.append(f"{pool.host}: the volumes of {pool.name} could not be read: {pool.unread}")
    if pool.unaddressable_count:
        lacks.append(f"{pool.host}: {pool.unaddressable_count} files of {pool.name} have names that are not UTF-8")
    return lacks


def _records(store: InventoryStore, sql: str) -> list[_Record]:
    with store.query(sql) as found:
        return [_Record(dict(zip(found.columns, row, strict=True))) for row in found.rows]
