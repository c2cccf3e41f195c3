"""How full each storage was, remembered where that changed; the last sizes are in memory, for they are asked often."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, insert, text

from poolfleet.inventory.store import schema
from poolfleet.inventory.store.statement import Statement
from poolfleet.types.inventory import PoolRow

DAY_S = 86400.0

_STEP = 0.01
"""Part of a storage by which its use changes before it is remembered at once."""
_LAST = Statement(
    text("""
    SELECT at_s, capacity_bytes, allocation_bytes FROM storage_size WHERE storage_key = :of_storage
    ORDER BY at_s DESC LIMIT 1""")
)
_NEW = Statement(insert(schema.storage_size))


class _Size(NamedTuple):
    at_s: float
    capacity_bytes: int
    allocation_bytes: int


class Sizes:
    """The last sizes of storages by their keys, as they stand within the transaction under way."""

    def __init__(self) -> None:
        self._last: dict[int, _Size] = {}

    def tell(self, connection: Connection, storage_key: int, pool: PoolRow, now_s: float, *, first: bool) -> None:
        """Remember the size of a storage where it has changed, or the last one is a day old; `first`: there is none."""
        if pool.capacity_bytes is None:
            return
        last = self._last.get(storage_key)
        if last is None and not first:
            last = self._stored(connection, storage_key)
        # Hosts that see one storage may round differently.
        step = pool.capacity_bytes * _STEP
        if last is not None and (
            last.at_s >= now_s
            or (
                now_s - last.at_s < DAY_S
                and abs(pool.capacity_bytes - last.capacity_bytes) < step
                and abs((pool.allocation_bytes or 0) - last.allocation_bytes) < step
            )
        ):
            self._last[storage_key] = last
            return
        _NEW.run(
            connection,
            {
                "storage_key": storage_key,
                "at_s": now_s,
                "capacity_bytes": pool.capacity_bytes,
                "allocation_bytes": pool.allocation_bytes,
                "available_bytes": pool.available_bytes,
            },
        )
        self._last[storage_key] = _Size(now_s, pool.capacity_bytes, pool.allocation_bytes or 0)

    @staticmethod
    def _stored(connection: Connection, storage_key: int) -> _Size | None:
        row = _LAST.run(connection, {"of_storage": storage_key}).fetchone()
        if row is None:
            return None
        at_s, capacity_bytes, allocation_bytes = row
        return _Size(at_s, capacity_bytes, allocation_bytes or 0)
