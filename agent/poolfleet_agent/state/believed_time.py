"""Up to when time has passed for certain (model.ports.BelievedTimeStore)."""

import sqlite3

from poolfleet_agent.state.database import Database


class SqliteBelievedTime:
    """One row at most."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self) -> float | None:
        """What was saved last, in seconds since the epoch."""

        def work(connection: sqlite3.Connection) -> float | None:
            row: tuple[float] | None = connection.execute("SELECT at_s FROM believed_time").fetchone()
            return row[0] if row is not None else None

        return await self._database.run(work)

    async def save(self, at_s: float) -> None:
        """Replace it."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM believed_time")
            connection.execute("INSERT INTO believed_time VALUES (?)", (at_s,))

        await self._database.run(work)
