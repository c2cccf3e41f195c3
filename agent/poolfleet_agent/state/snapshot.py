"""The last inventory, whole (model.ports.SnapshotStore).

A row a pool: one compressed stream of lines, the pool and then its volumes, written and read a line at a time, so that
neither way ever holds all documents at once.
"""

import sqlite3
import zlib
from collections.abc import Iterator

import structlog

from poolfleet_agent.model.ports import StoredPool, StoredSnapshot
from poolfleet_agent.state.database import Database
from poolfleet_agent.state.serial import POOL, VOLUME, UnreadableDocumentError

_READ_AT_ONCE_BYTES = 65536

_log = structlog.get_logger(__name__)


class SqliteSnapshot:
    """Holds one snapshot: a new one replaces it in one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self) -> StoredSnapshot | None:
        """The last one; None where there is none, or where it can not be read, which is logged."""

        def work(connection: sqlite3.Connection) -> StoredSnapshot | None:
            row = connection.execute("SELECT epoch, sequence, as_of_s FROM snapshot").fetchone()
            if row is None:
                return None
            epoch, sequence, as_of_s = row
            try:
                pools = tuple(
                    _read(documents)
                    for (documents,) in connection.execute("SELECT documents FROM snapshot_pool ORDER BY rowid")
                )
            except (UnreadableDocumentError, zlib.error) as error:
                _log.error("the stored snapshot can not be read: left out", error=str(error))
                return None
            return StoredSnapshot(epoch=epoch, sequence=sequence, as_of_s=as_of_s, pools=pools)

        return await self._database.run(work)

    async def save(self, snapshot: StoredSnapshot) -> None:
        """Replace it."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM snapshot")
            connection.execute("DELETE FROM snapshot_pool")
            connection.execute(
                "INSERT INTO snapshot VALUES (?, ?, ?)", (snapshot.epoch, snapshot.sequence, snapshot.as_of_s)
            )
            for pool in snapshot.pools:
                connection.execute("INSERT INTO snapshot_pool VALUES (?)", (_written(pool),))

        await self._database.run(work)


def _written(stored: StoredPool) -> bytes:
    # Level 1: twice as fast as the default, and the documents of volumes resemble one another anyway.
    compress = zlib.compressobj(1)
    parts = [compress.compress(POOL.write(stored.pool) + b"\n")]
    parts.extend(compress.compress(VOLUME.write(volume) + b"\n") for volume in stored.volumes)
    parts.append(compress.flush())
    return b"".join(parts)


def _read(documents: bytes) -> StoredPool:
    lines = _lines(documents)
    pool = POOL.read(next(lines, b""))
    return StoredPool(pool=pool, volumes=tuple(VOLUME.read(line) for line in lines))


def _lines(documents: bytes) -> Iterator[bytes]:
    decompress = zlib.decompressobj()
    rest = b""
    while not decompress.eof:
        piece = decompress.decompress(documents, _READ_AT_ONCE_BYTES)
        documents = decompress.unconsumed_tail
        if not piece and not documents and not decompress.eof:
            raise zlib.error("the stream ends early")
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
