"""A PostgreSQL server of one's own: in its own folder, on a UNIX socket, as a user that is not root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

_LIMIT_S = 60.0
_USER = "fleet"


class PostgresServer:
    """A server that runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def address(self, database: str) -> str:
        """Of a database on it."""
        return f"postgresql://{_USER}@/{database}?host={self._folder}"

    def create(self, database: str) -> str:
        """Make a database; return its address."""
        with psycopg.connect(self.address("postgres"), autocommit=True) as connection:
            connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(database)))
        return self.address(database)


@contextmanager
def postgres_server(folder: Path, *, durable: bool) -> Iterator[PostgresServer]:
    """Run a server whose files are in a folder of its own; `durable`: what is committed is on the disk."""
    folder.mkdir()
    runs_as = "nobody" if os.getuid() == 0 else None
    if runs_as is not None:
        user = pwd.getpwnam(runs_as)
        os.chown(folder, user.pw_uid, user.pw_gid)
    programs = _programs()
    data = folder / "data"
    subprocess.run(
        [programs / "initdb", "--pgdata", data, "--username", _USER, "--auth", "trust", "--no-sync", "--locale", "C",
         "--encoding", "UTF8"],
        check=True, user=runs_as, cwd=folder, stdout=subprocess.DEVNULL, timeout=_LIMIT_S,
    )  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [programs / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=",
             "-c", f"fsync={'on' if durable else 'off'}"],
            user=runs_as, cwd=folder, stdout=log, stderr=log,
        )  # fmt: skip
    server = PostgresServer(folder)
    try:
        _wait(server, process)
        yield server
    finally:
        process.send_signal(2)  # ends at once, connections too
        process.wait(_LIMIT_S)


def _programs() -> Path:
    found = shutil.which("initdb") or max(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")))
    return Path(found).resolve().parent


def _wait(server: PostgresServer, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _LIMIT_S
    while True:
        try:
            psycopg.connect(server.address("postgres")).close()
            return
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > until:
                raise
            time.sleep(0.05)
