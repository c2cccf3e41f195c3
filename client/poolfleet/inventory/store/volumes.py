"""How the volumes of a storage change by what one of its pools tells.

Each row has one pool that answers for it: the one that told it last. Another pool of the storage may change a row when
it has looked later, and so takes it over; but it may not remove one, unless the host of the row's pool is not heard of.
So what one host has not seen yet is not lost while another has it; and whoever answers for a row that is gone will say
so itself. When a pool leaves the storage, another one answers for its rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, text

from poolfleet.inventory.store.database import Database
from poolfleet.inventory.store.schema import ROW_COLUMNS, VOLUME_COLUMNS
from poolfleet.inventory.store.sizes import DAY_S
from poolfleet.inventory.store.staged import StagedPool
from poolfleet.inventory.store.statement import Statement

SIZE_STEP_BYTES = 1 << 28
"""A change of what a volume occupies that is remembered at once; smaller ones are once a day."""
FEW = 100
"""Volumes up to which each is stored by a statement of its own; more come in by a table."""

_MAY_CHANGE = "(volume.told_by = :pool OR volume.told_at_s < :at)"
_MAY_REMOVE = """(told_by = :pool OR told_by IN (
    SELECT pool.key FROM pool JOIN host ON host.key = pool.host_key WHERE host.status <> 'ok'))"""
_SEEN = ("type", "format", "capacity_bytes", "allocation_bytes", "physical_bytes", "backing_path", "backing_format",
         "modified_at_s", "encryption")  # fmt: skip
# Hosts differ in these by their paths: only the one that told them changes them.
_OWN = ("path", "etag")


def _resized(new: str) -> str:
    """SQL: whether the sizes before are to be remembered."""
    return f"""(volume.capacity_bytes IS DISTINCT FROM {new}.capacity_bytes
        OR abs(coalesce({new}.allocation_bytes, 0) - coalesce(volume.allocation_bytes, 0)) >= {SIZE_STEP_BYTES}
        OR (volume.allocation_bytes IS DISTINCT FROM {new}.allocation_bytes AND :at - volume.sized_at_s >= {DAY_S}))"""


def _differs(columns: Iterable[str]) -> str:
    return " OR ".join(f"volume.{column} IS DISTINCT FROM excluded.{column}" for column in columns)


def _remember(new: str) -> str:
    """SQL: remember the sizes that volumes had which `new` has otherwise."""
    return f"""
    INSERT INTO volume_size (storage_key, name, until_s, capacity_bytes, allocation_bytes)
    SELECT volume.storage_key, volume.name, :at, volume.capacity_bytes, volume.allocation_bytes
    FROM {new} AS new JOIN volume ON volume.storage_key = :storage AND volume.name = new.name
    WHERE {_MAY_CHANGE} AND {_resized("new")}
    ON CONFLICT DO NOTHING"""  # noqa: S608  (no word of it is anybody's but ours)


def _merge(new: str) -> str:
    """SQL: store `new`, where it is not what is stored already."""
    return f"""
    INSERT INTO volume ({", ".join(VOLUME_COLUMNS)}) {new}
    ON CONFLICT (storage_key, name) DO UPDATE
    SET {", ".join(f"{column} = excluded.{column}" for column in (*ROW_COLUMNS[1:], "told_by", "told_at_s"))},
        sized_at_s = CASE WHEN {_resized("excluded")} THEN :at ELSE volume.sized_at_s END
    WHERE {_MAY_CHANGE} AND ({_differs(_SEEN)} OR (volume.told_by = :pool AND ({_differs(_OWN)})))"""  # noqa: S608


def _statement(sql: str) -> Statement:
    return Statement(text(sql))


_REMEMBER = _statement(_remember("incoming"))
_MERGE = _statement(_merge(f"SELECT :storage, {', '.join(ROW_COLUMNS)}, :pool, :at, :at FROM incoming WHERE true"))  # noqa: S608
# The same for one row, which is among the values.
_ONE = {"name": "TEXT", "capacity_bytes": "BIGINT", "allocation_bytes": "BIGINT"}
_REMEMBER_ONE = _statement(
    _remember(f"(SELECT {', '.join(f'CAST(:{column} AS {kind}) AS {column}' for column, kind in _ONE.items())})")
)
_MERGE_ONE = _statement(
    _merge(f"VALUES (:storage, {', '.join(f':{column}' for column in ROW_COLUMNS)}, :pool, :at, :at)")
)
_REMOVE_UNTOLD = _statement(f"""
    DELETE FROM volume WHERE storage_key = :storage AND {_MAY_REMOVE}
    AND NOT EXISTS (SELECT 1 FROM incoming WHERE incoming.name = volume.name)""")  # noqa: S608
_REMOVE = _statement(f"DELETE FROM volume WHERE storage_key = :storage AND name = :name AND {_MAY_REMOVE}")  # noqa: S608
_COPY = _statement(f"""
    INSERT INTO volume ({", ".join(VOLUME_COLUMNS)})
    SELECT :storage, {", ".join(ROW_COLUMNS)}, :pool, told_at_s, sized_at_s FROM volume WHERE storage_key = :before
    ON CONFLICT (storage_key, name) DO NOTHING""")  # noqa: S608
_ALIKE = _statement("""
    SELECT 1 FROM pool WHERE storage_key = :storage AND key <> :pool AND active AND digest = :digest
    AND target_path = (SELECT target_path FROM pool WHERE key = :pool) LIMIT 1""")
_ANY = _statement("SELECT 1 FROM volume WHERE storage_key = :storage LIMIT 1")
_CLEAR = _statement("DELETE FROM incoming")
_REMOVE_ALL = _statement("DELETE FROM volume WHERE storage_key = :storage")
_INHERIT = _statement("UPDATE volume SET told_by = :heir WHERE storage_key = :storage AND told_by = :pool")
_HEIR = _statement("""
    SELECT pool.key, pool.host_key FROM pool JOIN host ON host.key = pool.host_key
    WHERE storage_key = :storage AND pool.key <> :pool AND active
    ORDER BY CASE WHEN host.status = 'ok' THEN 0 ELSE 1 END, pool.looked_at_s DESC LIMIT 1""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Teller:
    """A pool that tells of the volumes of a storage, as it saw them at a time."""

    pool: int
    storage: int
    at: float
    """Seconds since 1970, by the store's clock."""

    @property
    def values(self) -> dict[str, float]:
        """For statements."""
        return {"pool": self.pool, "storage": self.storage, "at": self.at}


class Volumes:
    """The volumes, within one transaction."""

    def __init__(self, database: Database, connection: Connection) -> None:
        self._database = database
        self._connection = connection

    def tell(self, teller: Teller, told: StagedPool, *, empty: bool) -> None:
        """Take over what an active pool told; `empty`: nothing is stored of the storage."""
        on, values = self._connection, teller.values
        if not empty and told.whole and told.digest and _ALIKE.run(on, {**values, "digest": told.digest}).fetchone():
            return  # another host has told these very volumes
        rows, gone = told.volumes()
        if told.whole and (empty or not _ANY.run(on, values).fetchone()):
            end = (teller.pool, teller.at, teller.at)
            first = ((teller.storage, *row, *end) for row in rows)
            self._database.load(on, "volume", VOLUME_COLUMNS, first)
            return
        if told.whole or len(rows) > FEW:
            self._database.load(on, "incoming", ROW_COLUMNS, rows)
            _REMEMBER.run(on, values)
            _MERGE.run(on, values)
            if told.whole:
                _REMOVE_UNTOLD.run(on, values)
            _CLEAR.run(on, {})
        elif rows:
            each = [{**values, **row._asdict()} for row in rows]
            _REMEMBER_ONE.run_each(on, each)
            _MERGE_ONE.run_each(on, each)
        if gone:
            _REMOVE.run_each(on, ({**values, "name": name} for name in gone))

    def move(self, pool: int, *, before: int, after: int) -> None:
        """Have what was known of a pool's volumes known of the storage that it turns out to lie on."""
        _COPY.run(self._connection, {"pool": pool, "before": before, "storage": after})

    def leave(self, pool: int, storage: int) -> int | None:
        """End a pool's word on a storage that it lies on no more, or where it is not active.

        Another one answers for its rows; with the last one they go. Returns the key of the host that is to tell anew.
        """
        on, values = self._connection, {"pool": pool, "storage": storage}
        found = _HEIR.run(on, values).fetchone()
        if found is None:
            _REMOVE_ALL.run(on, values)
            return None
        heir, of_host = found
        inherited = _INHERIT.run(on, {**values, "heir": heir})
        return int(of_host) if inherited.rowcount else None
