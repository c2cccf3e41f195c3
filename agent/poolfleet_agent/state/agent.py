"""Who this agent is (model.ports.AgentStore)."""

import os
import sqlite3
import uuid
from pathlib import Path

import structlog

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.ports import AgentIdentity
from poolfleet_agent.state.database import Database

_log = structlog.get_logger(__name__)


class SqliteAgent:
    """Keeps a random id, bound to the machine id: a cloned image gets a new one."""

    def __init__(
        self,
        database: Database,
        *,
        machine_id_file: Path = Path("/etc/machine-id"),
        boot_id_file: Path = Path("/proc/sys/kernel/random/boot_id"),
    ) -> None:
        self._database = database
        self._machine_id_file = machine_id_file
        self._boot_id_file = boot_id_file

    async def identity(self) -> AgentIdentity:
        """Load, or make at the first start and when the machine id is another.

        A machine without a machine id (empty here) keeps the id that it has, and is bound once it gets one.
        """

        def work(connection: sqlite3.Connection) -> AgentIdentity:
            machine_id = _content(self._machine_id_file)
            boot_id = _content(self._boot_id_file)
            host = os.uname()
            row: tuple[str] | None = connection.execute("SELECT boot_id FROM agent").fetchone()
            agent_id = _agent_id(connection, machine_id)
            connection.execute("UPDATE agent SET boot_id = ?", (boot_id,))
            return AgentIdentity(
                agent_id=agent_id,
                machine_id=machine_id,
                boot_id=boot_id,
                previous_boot_id=row[0] if row is not None else "",
                host_name=host.nodename,
                kernel=host.release,
            )

        return await self._database.run(work)


def _agent_id(connection: sqlite3.Connection, machine_id: str) -> str:
    row: tuple[str, str] | None = connection.execute("SELECT agent_id, machine_id FROM agent").fetchone()
    if row is not None and (row[1] == machine_id or not machine_id):
        return row[0]
    if row is None or row[1]:
        agent_id = str(uuid.uuid4())
        _log.info("the agent has a new id", agent_id=agent_id, another_machine=row is not None)
    else:
        agent_id = row[0]
    connection.execute("DELETE FROM agent")
    connection.execute("INSERT INTO agent (agent_id, machine_id) VALUES (?, ?)", (agent_id, machine_id))
    return agent_id


def _content(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise ModelError(
            Reason.PATH_NOT_USABLE,
            f"{path} can not be read: {error}",
            metadata={"path": str(path), "error": str(error)},
        ) from error
