"""Writes a part of a store into a file, row by row: CSV, JSON or Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import IO, Any

from poolfleet.inventory.store.port import Cell, InventoryStore, Rows

_BATCH_ROWS = 50_000

PARTS: Mapping[str, str] = {
    "volumes": """
        SELECT v.storage, v.name, v.format, v.type, v.capacity_bytes, v.allocation_bytes, v.physical_bytes,
               v.backing_path, v.modified_at_s, v.encryption,
               coalesce(h.hosts, 0) AS hosts, coalesce(u.users, 0) AS users
        FROM volumes v
        LEFT JOIN (SELECT storage_key, count(DISTINCT host_key) AS hosts FROM pool WHERE active GROUP BY storage_key) h
            ON h.storage_key = v.storage_key
        LEFT JOIN (SELECT storage_key, name, count(DISTINCT host || '/' || domain) AS users FROM volume_users
                   GROUP BY storage_key, name) u ON u.storage_key = v.storage_key AND u.name = v.name
        ORDER BY v.storage, v.name""",
    "storages": """
        SELECT storage, type, hosts, capacity_bytes, allocation_bytes, available_bytes, looked_at_s FROM storages
        ORDER BY storage""",
    "pools": "SELECT * FROM pools ORDER BY host, pool",
    "hosts": """
        SELECT name AS host, site, agent_id, status, error, heard_at_s, looked_at_s, domains_looked_at_s,
               domains_missing FROM host ORDER BY name""",
    "users": """
        SELECT storage, name, host, domain, state, role, target, path FROM volume_users
        ORDER BY storage, name, host, domain, target, path""",
}
"""What can be exported. Times are seconds since 1970."""


def write_csv(store: InventoryStore, part: str, out: IO[bytes]) -> None:
    """Write one part as CSV, with a line of titles; what is not known is empty."""
    words = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=True)
    with store.query(PARTS[part]) as found:
        writer = csv.writer(words, lineterminator="\n")
        writer.writerow(found.columns)
        writer.writerows([_spelt(cell) for cell in row] for row in found.rows)
    words.detach()


def write_json(store: InventoryStore, part: str, out: IO[bytes]) -> None:
    """Write one part as an array of objects, a line each; what is not known is null."""
    with store.query(PARTS[part]) as found:
        before = b"[\n"
        for row in found.rows:
            document = json.dumps(dict(zip(found.columns, row, strict=True)), ensure_ascii=True)
            out.write(before + document.encode())
            before = b",\n"
        out.write(b"[]\n" if before == b"[\n" else b"\n]\n")


def write_parquet(store: InventoryStore, part: str, out: IO[bytes]) -> None:
    """Write one part as Parquet: numbers as int64 or double, by their names. Needs the extra `parquet`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with store.query(PARTS[part]) as found:
        schema = pa.schema([(name, _arrow_type(name)) for name in found.columns])
        with pq.ParquetWriter(out, schema, compression="zstd") as writer:
            for columns in _batches(found):
                writer.write_batch(pa.record_batch(columns, schema=schema))


def _batches(found: Rows) -> Iterator[Sequence[Sequence[Cell]]]:
    rows: Iterable[Sequence[Cell]]
    while rows := list(islice(found.rows, _BATCH_ROWS)):
        yield list(zip(*rows, strict=True))


def _arrow_type(name: str) -> Any:
    import pyarrow as pa

    if name.endswith("_s"):
        return pa.float64()
    return pa.int64() if name.endswith("_bytes") or name in ("hosts", "users") else pa.string()


def _spelt(cell: Cell) -> Cell:
    """A cell that no spreadsheet takes for a formula, and that cannot break a line."""
    if not isinstance(cell, str):
        return cell
    words = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cell)
    return f"'{words}" if words[:1] in ("=", "+", "-", "@") else words
