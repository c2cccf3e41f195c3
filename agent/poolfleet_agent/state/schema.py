"""The tables, as the list of steps that made them. A step that was released is never changed: another is added."""

import sqlite3
import time

from poolfleet_agent.model.errors import ModelError, Reason

STEPS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE operation (
            id TEXT NOT NULL UNIQUE, created_at_s REAL NOT NULL, ended_at_s REAL, document BLOB NOT NULL)""",
        "CREATE INDEX operation_ended ON operation (ended_at_s) WHERE ended_at_s IS NOT NULL",
        """CREATE TABLE request (
            caller TEXT NOT NULL, rpc TEXT NOT NULL, request_id TEXT NOT NULL, digest TEXT NOT NULL,
            operation_id TEXT NOT NULL REFERENCES operation (id) ON DELETE CASCADE,
            PRIMARY KEY (caller, rpc, request_id)) WITHOUT ROWID""",
        "CREATE INDEX request_operation ON request (operation_id)",
        """CREATE TABLE intent (
            pool_uuid TEXT NOT NULL PRIMARY KEY, desired TEXT NOT NULL, since_s REAL NOT NULL, why TEXT NOT NULL,
            supervised INTEGER NOT NULL) WITHOUT ROWID""",
        "CREATE TABLE snapshot (epoch TEXT NOT NULL, sequence INTEGER NOT NULL, as_of_s REAL NOT NULL)",
        "CREATE TABLE snapshot_pool (documents BLOB NOT NULL)",
        "CREATE TABLE agent (agent_id TEXT NOT NULL, machine_id TEXT NOT NULL)",
    ),
    ("ALTER TABLE agent ADD COLUMN boot_id TEXT NOT NULL DEFAULT ''",),
    (
        """CREATE TABLE mount (
            target TEXT NOT NULL PRIMARY KEY, source TEXT NOT NULL, owner TEXT NOT NULL, boot_id TEXT NOT NULL)
            WITHOUT ROWID""",
    ),
    ("CREATE TABLE maintenance (enabled INTEGER NOT NULL, reason TEXT NOT NULL, until_s REAL)",),
    (
        "ALTER TABLE mount ADD COLUMN address TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE mount ADD COLUMN attempting INTEGER NOT NULL DEFAULT 0",
    ),
    ("CREATE TABLE believed_time (at_s REAL NOT NULL)",),
)


def bring_up_to_date(connection: sqlite3.Connection) -> None:
    """Do, in the caller's transaction, the steps that are lacking; refuse what a newer agent wrote: WRONG_STATE."""
    connection.execute("CREATE TABLE IF NOT EXISTS migration (version INTEGER PRIMARY KEY, applied_at_s REAL NOT NULL)")
    (done,) = connection.execute("SELECT coalesce(max(version), 0) FROM migration").fetchone()
    if done > len(STEPS):
        raise ModelError(
            Reason.WRONG_STATE,
            f"the state directory was written by a newer agent (schema {done}, this agent knows {len(STEPS)})",
            metadata={"schema": str(done), "known_schema": str(len(STEPS))},
        )
    for version, statements in enumerate(STEPS[done:], start=done + 1):
        for statement in statements:
            connection.execute(statement)
        connection.execute("INSERT INTO migration VALUES (?, ?)", (version, time.time()))
