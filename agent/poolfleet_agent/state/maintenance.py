"""Whether the agent was told to leave pools alone (model.ports.MaintenanceStore)."""

import sqlite3

from poolfleet_agent.model.maintenance import Maintenance
from poolfleet_agent.state.database import Database


class SqliteMaintenance:
    """One row at most."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self) -> Maintenance:
        """What was saved last; none: not enabled."""

        def work(connection: sqlite3.Connection) -> Maintenance:
            row = connection.execute("SELECT enabled, reason, until_s FROM maintenance").fetchone()
            return Maintenance() if row is None else Maintenance(enabled=bool(row[0]), reason=row[1], until_s=row[2])

        return await self._database.run(work)

    async def save(self, maintenance: Maintenance) -> None:
        """Replace it."""
        row = (maintenance.enabled, maintenance.reason, maintenance.until_s)

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM maintenance")
            connection.execute("INSERT INTO maintenance VALUES (?, ?, ?)", row)

        await self._database.run(work)
