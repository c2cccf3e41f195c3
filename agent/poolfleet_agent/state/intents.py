"""What pools are meant to be, by their UUID (model.ports.IntentStore)."""

import sqlite3
from collections.abc import Sequence

from poolfleet_agent.model.desired_state import Desired, DesiredState
from poolfleet_agent.model.ports import PoolIntent
from poolfleet_agent.state.database import Database


class SqliteIntents:
    """One row a pool."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load_all(self) -> Sequence[PoolIntent]:
        """All of them, by UUID."""

        def work(connection: sqlite3.Connection) -> list[PoolIntent]:
            rows = connection.execute(
                "SELECT pool_uuid, desired, since_s, why, supervised FROM intent ORDER BY pool_uuid"
            )
            return [
                PoolIntent(
                    pool_uuid=pool_uuid,
                    desired=DesiredState(desired=Desired(desired), since_s=since_s, why=why),
                    supervised=bool(supervised),
                )
                for pool_uuid, desired, since_s, why, supervised in rows
            ]

        return await self._database.run(work)

    async def save(self, intent: PoolIntent) -> None:
        """Insert or replace."""
        desired = intent.desired
        row = (intent.pool_uuid, desired.desired.value, desired.since_s, desired.why, intent.supervised)

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO intent VALUES (?, ?, ?, ?, ?)", row)

        await self._database.run(work)

    async def remove(self, pool_uuid: str) -> None:
        """Forget; nothing happens where it is not known."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM intent WHERE pool_uuid = ?", (pool_uuid,))

        await self._database.run(work)
