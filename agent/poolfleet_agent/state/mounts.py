"""Who mounted what where (model.ports.MountStore)."""

import sqlite3
from collections.abc import Sequence

from poolfleet_agent.model.pool import MountOwner
from poolfleet_agent.model.ports import MountRecord
from poolfleet_agent.state.database import Database


class SqliteMounts:
    """One row a target."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load_all(self) -> Sequence[MountRecord]:
        """All of them, by target."""

        def work(connection: sqlite3.Connection) -> list[MountRecord]:
            rows = connection.execute(
                "SELECT target, source, owner, boot_id, address, attempting FROM mount ORDER BY target"
            )
            return [
                MountRecord(
                    target=target,
                    source=source,
                    owner=MountOwner(owner),
                    boot_id=boot_id,
                    address=address,
                    attempting=bool(attempting),
                )
                for target, source, owner, boot_id, address, attempting in rows
            ]

        return await self._database.run(work)

    async def save(self, record: MountRecord) -> None:
        """Insert or replace."""
        row = (
            record.target,
            record.source,
            record.owner.value,
            record.boot_id,
            record.address,
            int(record.attempting),
        )

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT OR REPLACE INTO mount (target, source, owner, boot_id, address, attempting)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                row,
            )

        await self._database.run(work)

    async def remove(self, target: str) -> None:
        """Forget; nothing happens where it is not known."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM mount WHERE target = ?", (target,))

        await self._database.run(work)
