"""A pool as its row: what queries ask for, and what tells which storage it lies on."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from poolfleet.inventory.model import HostStatus
from poolfleet.inventory.seen import HostSeen, PoolSeen
from poolfleet.types.inventory import PoolRow
from poolfleet.types.later import member_or_later
from poolfleet.types.pool import Pool, PoolState, Storage, StorageFingerprint, StorageIdSource, StorageSigns

POOL_VALUES = (
    "name", "type", "state", "active", "health", "target_path", "filesystem_id", "capacity_bytes", "allocation_bytes",
    "available_bytes", "provisioned_bytes", "unaddressable_count", "links", "own_storage_id", "storage_source",
    "aliases", "signs", "fingerprint",
)  # fmt: skip
"""Columns that follow from a pool itself."""
_PLACE = ("name", "own_storage_id", "storage_source", "aliases")


class KnownPool(NamedTuple):
    """What of a pool's row decides what becomes of it when it is told again."""

    key: int
    uuid: str
    name: str
    storage_key: int
    active: bool
    unread: str
    links: int
    own_storage_id: str
    storage_source: str
    aliases: str


def pool_values(pool: PoolRow) -> dict[str, Any]:
    """POOL_VALUES as they are stored."""
    storage = pool.storage
    mark = storage.fingerprint if storage else None
    return {
        "name": pool.name,
        "type": pool.type,
        "state": str(pool.state),
        "active": pool.state.active,
        "health": None if pool.health is None else str(pool.health),
        "target_path": pool.target_path,
        "filesystem_id": pool.filesystem_id,
        "capacity_bytes": pool.capacity_bytes,
        "allocation_bytes": pool.allocation_bytes,
        "available_bytes": pool.available_bytes,
        "provisioned_bytes": pool.provisioned_bytes,
        "unaddressable_count": pool.unaddressable_count,
        "links": len(pool.backing_links),
        "own_storage_id": storage.id if storage else "",
        "storage_source": str(storage.source) if storage else "",
        "aliases": json.dumps(storage.aliases if storage else ()),
        "signs": _signs_text(storage.signs) if storage and storage.signs else "",
        "fingerprint": json.dumps([mark.root_inode, mark.files, mark.too_many_names]) if mark else "",
    }


def is_settled(known: KnownPool, values: Mapping[str, Any]) -> bool:
    """Whether a pool is called as before, and says the same storage; a fingerprint only proves which."""
    return all(getattr(known, name) == values[name] for name in _PLACE)


def seen_now(host: HostSeen, uuid: str, told: PoolRow) -> PoolSeen:
    """A pool as the inventory's identity needs it, of what was told of it."""
    return PoolSeen(
        host=host,
        pool=Pool(
            name=told.name,
            uuid=uuid,
            type=told.type,
            state=told.state,
            capacity_bytes=told.capacity_bytes,
            filesystem_id=told.filesystem_id,
            storage=told.storage,
        ),
    )


def seen(row: Any) -> PoolSeen:
    """A pool as the inventory's identity needs it, of a row of `pool` with `host`, site, agent_id and status."""
    host = HostSeen(host=row.host, status=HostStatus(row.status), site=row.site, agent_id=row.agent_id or "")
    return PoolSeen(
        host=host,
        pool=Pool(
            name=row.name,
            uuid=row.uuid,
            type=row.type,
            state=member_or_later(PoolState, row.state),
            capacity_bytes=row.capacity_bytes,
            filesystem_id=row.filesystem_id,
            storage=_storage(row) if row.own_storage_id else None,
        ),
    )


def _storage(row: Any) -> Storage:
    mark = json.loads(row.fingerprint) if row.fingerprint else None
    return Storage(
        id=row.own_storage_id,
        source=member_or_later(StorageIdSource, row.storage_source),
        aliases=tuple(json.loads(row.aliases)),
        fingerprint=StorageFingerprint(
            root_inode=mark[0], files=tuple((name, inode) for name, inode in mark[1]), too_many_names=mark[2]
        )
        if mark
        else None,
        signs=_signs(row.signs) if row.signs else None,
    )


def _signs_text(signs: StorageSigns) -> str:
    return json.dumps([signs.since.isoformat() if signs.since else None, signs.agent_ids])


@functools.lru_cache(maxsize=256)
def _signs(text: str) -> StorageSigns:
    # One object for what all hosts of a storage tell: there are as many names in it as hosts that tell them.
    since, agent_ids = json.loads(text)
    return StorageSigns(since=datetime.fromisoformat(since) if since else None, agent_ids=tuple(agent_ids))
