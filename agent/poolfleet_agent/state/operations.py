"""Operations and the request ids that they answer (model.ports.OperationStore)."""

import sqlite3
from collections.abc import Collection, Sequence

import structlog

from poolfleet_agent.model.operation import Operation
from poolfleet_agent.model.ports import RequestRecord
from poolfleet_agent.state.database import Database
from poolfleet_agent.state.serial import OPERATION, UnreadableDocumentError

_log = structlog.get_logger(__name__)


class SqliteOperations:
    """One row an operation: its document, and in columns what is looked for."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, operation: Operation, request: RequestRecord | None = None) -> None:
        """Insert or replace; with `request`, remember its id in the same transaction."""
        document = OPERATION.write(operation)

        def work(connection: sqlite3.Connection) -> None:
            # Never REPLACE: that deletes the row first, and its request ids with it.
            connection.execute(
                "INSERT INTO operation (id, created_at_s, ended_at_s, document) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET ended_at_s = excluded.ended_at_s, document = excluded.document",
                (operation.id, operation.created_at_s, operation.ended_at_s, document),
            )
            if request is not None:
                connection.execute(
                    "INSERT INTO request (caller, rpc, request_id, digest, operation_id) VALUES (?, ?, ?, ?, ?)"
                    " ON CONFLICT DO UPDATE SET digest = excluded.digest, operation_id = excluded.operation_id",
                    (request.caller, request.rpc, request.request_id, request.digest, request.operation_id),
                )

        await self._database.run(work)

    async def load_all(self) -> Sequence[Operation]:
        """All kept operations, oldest first; one that can not be read is left out, and logged."""

        def work(connection: sqlite3.Connection) -> list[Operation]:
            rows = connection.execute("SELECT id, document FROM operation ORDER BY created_at_s, rowid")
            return [operation for row in rows if (operation := _read(*row)) is not None]

        return await self._database.run(work)

    async def find_request(self, caller: str, rpc: str, request_id: str) -> RequestRecord | None:
        """Look a request id up."""

        def work(connection: sqlite3.Connection) -> RequestRecord | None:
            row = connection.execute(
                "SELECT digest, operation_id FROM request WHERE caller = ? AND rpc = ? AND request_id = ?",
                (caller, rpc, request_id),
            ).fetchone()
            if row is None:
                return None
            digest, operation_id = row
            return RequestRecord(
                caller=caller, rpc=rpc, request_id=request_id, digest=digest, operation_id=operation_id
            )

        return await self._database.run(work)

    async def remove(self, operation_ids: Collection[str]) -> None:
        """Forget operations, with their request ids; those that are not there too."""

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany("DELETE FROM operation WHERE id = ?", [(one,) for one in operation_ids])

        await self._database.run(work)

    async def remove_ended_before(self, ended_before_s: float) -> Sequence[str]:
        """Forget what ended earlier, with its request ids; the answer is the ids."""

        def work(connection: sqlite3.Connection) -> list[str]:
            rows = connection.execute("DELETE FROM operation WHERE ended_at_s < ? RETURNING id", (ended_before_s,))
            return [operation_id for (operation_id,) in rows.fetchall()]

        return await self._database.run(work)


def _read(operation_id: str, document: bytes) -> Operation | None:
    try:
        return OPERATION.read(document)
    except UnreadableDocumentError as error:
        _log.error("a stored operation can not be read: left out", operation=operation_id, error=str(error))
        return None
