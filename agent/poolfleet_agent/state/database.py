"""The one SQLite file of the state directory, its one thread, and what goes wrong with it.

What was committed survives `kill -9` and a loss of power (write-ahead log, synced at each commit). The file is locked
as long as it is open: two agents can not share a state directory.
"""

import asyncio
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Self, TypeVar

import structlog

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.ports import UndecidedError
from poolfleet_agent.state.schema import bring_up_to_date

_Answer = TypeVar("_Answer")

FILE_NAME = "state.db"

_SETTINGS = (
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA journal_size_limit = 4194304",
    "PRAGMA cache_size = -1024",
)

_log = structlog.get_logger(__name__)


class Database:
    """Runs short pieces of work, each in a transaction of its own, one after the other on a thread of its own.

    `longest_queue` is how many may wait before the next is refused; `timeout_s` how long one waits for its end.
    """

    def __init__(
        self, connection: sqlite3.Connection, thread: ThreadPoolExecutor, *, longest_queue: int, timeout_s: float
    ) -> None:
        self._connection = connection
        self._thread = thread
        self._longest_queue = longest_queue
        self._timeout_s = timeout_s
        self._waiting = 0

    @classmethod
    async def open(
        cls, directory: Path, *, longest_queue: int = 256, timeout_s: float = 30.0, busy_timeout_s: float = 5.0
    ) -> Self:
        """Make or open `directory` (0700) and the file in it (0600); one that is damaged is moved aside, and logged.

        `busy_timeout_s`: how long to wait for another process that has it open. TOO_BUSY, NO_SPACE, PATH_NOT_USABLE,
        WRONG_STATE (written by a newer agent).
        """
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="state")
        try:
            async with asyncio.timeout(busy_timeout_s + timeout_s):
                connection = await asyncio.wrap_future(thread.submit(_open, directory, busy_timeout_s))
        except TimeoutError as error:
            thread.shutdown(wait=False)
            raise _too_busy(f"the state directory {directory} does not answer") from error
        except BaseException:
            thread.shutdown(wait=False)
            raise
        return cls(connection, thread, longest_queue=longest_queue, timeout_s=timeout_s)

    async def run(self, work: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
        """Give what `work` gives, once it is committed: TOO_BUSY, NO_SPACE, INTERNAL.

        UndecidedError after the limit where the work had begun: it may or may not be done, before all that is asked
        later. So too after a cancellation. What had not begun is not done then.
        """
        if self._waiting >= self._longest_queue:
            raise _too_busy(f"{self._waiting} writes of state are waiting already")
        self._waiting += 1
        answer = self._thread.submit(self._transact, work)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.wrap_future(answer)
        except TimeoutError as error:
            kind = ModelError if answer.cancel() else UndecidedError
            raise _too_busy(f"the state directory did not answer within {self._timeout_s:g} s", kind) from error
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        """End after what was already asked for; what does not end within the limit is left behind."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await asyncio.wrap_future(self._thread.submit(self._connection.close))
        except TimeoutError:
            _log.error("the state directory does not answer: left open", timeout_s=self._timeout_s)
        finally:
            self._thread.shutdown(wait=False)

    def _transact(self, work: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
        try:
            with _transaction(self._connection):
                return work(self._connection)
        except sqlite3.Error as error:
            raise _translated(error) from error


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # SQLite itself rolls back after some errors, such as a full disk.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _open(directory: Path, busy_timeout_s: float) -> sqlite3.Connection:
    path = directory / FILE_NAME
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _close_to_others(directory)
        try:
            return _connect(path, busy_timeout_s)
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            _move_aside(path, str(error))
            return _connect(path, busy_timeout_s)
    except sqlite3.Error as error:
        raise _translated(error) from error
    except OSError as error:
        raise ModelError(
            Reason.PATH_NOT_USABLE,
            f"the state directory {directory} can not be used: {error.strerror}",
            metadata={"path": str(directory), "error": str(error.strerror)},
        ) from error


def _close_to_others(directory: Path) -> None:
    if stat.S_IMODE(directory.stat().st_mode) == 0o700:
        return
    # A wrong setting must not take /var/lib away from everybody else.
    if not (directory / FILE_NAME).exists() and any(directory.iterdir()):
        raise ModelError(
            Reason.PATH_NOT_USABLE,
            f"the state directory {directory} is open to other users and holds other files",
            metadata={"path": str(directory)},
        )
    directory.chmod(0o700)


def _connect(path: Path, busy_timeout_s: float) -> sqlite3.Connection:
    # SQLite gives its other files the mode of this one.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    path.chmod(0o600)
    connection = sqlite3.connect(path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False)
    try:
        for setting in _SETTINGS:
            connection.execute(setting)
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise _DamagedError(verdict)
        with _transaction(connection):
            bring_up_to_date(connection)
    except BaseException:
        connection.close()
        raise
    return connection


class _DamagedError(sqlite3.DatabaseError):
    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


def _is_damage(error: sqlite3.Error) -> bool:
    return _primary_code(error) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def _move_aside(path: Path, why: str) -> None:
    aside = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
    for suffix in ("", "-wal", "-shm", "-journal"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    _log.error(
        "the state database is damaged: moved aside, and begun anew; operations, request ids, desired states, the"
        " agent's id and the last snapshot are lost",
        damage=why,
        moved_to=str(aside),
    )


def _primary_code(error: sqlite3.Error) -> int | None:
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _translated(error: sqlite3.Error) -> ModelError:
    code = _primary_code(error)
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return _too_busy("the state database is in use by another process")
    if code == sqlite3.SQLITE_FULL:
        return ModelError(Reason.NO_SPACE, "no space left for the agent's state", retry_delay_s=30.0)
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    _log.error("the state database failed", error=str(error), sqlite_error=name)
    return ModelError(
        Reason.INTERNAL, f"the state database failed: {error}", metadata={"error": str(error), "sqlite_error": name}
    )


def _too_busy(message: str, kind: type[ModelError] = ModelError) -> ModelError:
    return kind(Reason.TOO_BUSY, message, retry_delay_s=1.0)
