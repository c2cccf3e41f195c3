"""The owner of a worker: starts it when it is first asked, sets limits, kills and replaces one that is dead or stuck.

One that even SIGKILL leaves is replaced once; while two are left so, nothing is asked any more. A question is the name
of an operation, a path, and further arguments (worker.py).
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Self

import structlog

from poolfleet_agent.files import worker
from poolfleet_agent.files.running import RunningWorker, WorkerLostError
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.share_user import ROOT, ShareUser
from poolfleet_agent.processes.child import Children, own_program

_PROGRAM = own_program(worker)
_LONGEST_DELAY_S = 30.0

_log = structlog.get_logger(__name__)


class Channel:
    """Asks one worker at a time, which acts as `user` (ROOT: as the agent itself).

    `most_open` questions are open at most, `ping_timeout_s` tells a stopped worker.
    """

    def __init__(
        self,
        children: Children,
        *,
        user: ShareUser = ROOT,
        program: Sequence[str] = _PROGRAM,
        most_open: int = 64,
        most_stuck: int = 2,
        ping_timeout_s: float = 1.0,
    ) -> None:
        self._children = children
        self._program = program if user.is_root else (*program, str(user.uid), str(user.gid))
        self._most_open = most_open
        self._most_stuck = most_stuck
        self._ping_timeout_s = ping_timeout_s
        self._open = 0
        self._closed = False
        self._starting = asyncio.Lock()
        self._worker: RunningWorker | None = None
        self._replacing: asyncio.Task[None] | None = None
        self._former: list[RunningWorker] = []
        self._starts_in_vain = 0
        self._next_start_s = 0.0

    @property
    def worker_pid(self) -> int | None:
        """The process that is asked now; None: none was started, or it was lost."""
        return None if self._worker is None or self._worker.lost else self._worker.pid

    async def ask(self, operation: bytes, path: bytes, *arguments: bytes, timeout_s: float) -> list[bytes]:
        """Ask what may be asked twice: where its worker is lost, a second one is asked in the time that is left.

        The answer's fields are errno and what was found. POOL_UNRESPONSIVE, TOO_BUSY, AGENT_STOPPING, INTERNAL.
        """
        question = (operation, path, *arguments)
        async with self._limited(question, timeout_s):
            try:
                return await self._ask_current(question)
            except WorkerLostError:
                return await self._ask_current(question)

    async def ask_once(self, operation: bytes, path: bytes, *arguments: bytes, timeout_s: float) -> list[bytes]:
        """Ask for a change: as `ask`; after POOL_UNRESPONSIVE it may or may not be done, now or later."""
        question = (operation, path, *arguments)
        async with self._limited(question, timeout_s):
            return await self._ask_current(question)

    def acting_as(self, _user: ShareUser) -> Self:
        """Itself: one worker acts as one user."""
        return self

    async def close(self) -> None:
        """End the worker; later questions are refused: AGENT_STOPPING."""
        self._closed = True
        if self._replacing is not None:
            await asyncio.wait([self._replacing])
        async with self._starting:
            await asyncio.gather(*(one.close() for one in (self._worker, *self._former) if one is not None))

    @asynccontextmanager
    async def _limited(self, question: Sequence[bytes], timeout_s: float) -> AsyncIterator[None]:
        """One of the questions that may be open at once, within its time."""
        if self._open >= self._most_open:
            raise ModelError(Reason.TOO_BUSY, f"{self._open} questions about files are open already", retry_delay_s=1.0)
        self._open += 1
        try:
            async with asyncio.timeout(timeout_s):
                yield
        except TimeoutError as error:
            self._replace_if_useless()
            raise _unresponsive(question, f"no answer within {timeout_s:g} s") from error
        except WorkerLostError as error:
            raise _unresponsive(question, "the process that looks at it was lost before it answered") from error
        finally:
            self._open -= 1

    async def _ask_current(self, question: Sequence[bytes]) -> list[bytes]:
        async with self._starting:
            if self._closed:
                raise ModelError(Reason.AGENT_STOPPING, "the agent is stopping", retry_delay_s=5.0)
            if self._worker is None or self._worker.lost:
                self._put_away_lost()
                self._check_may_start(question)
                program, *arguments = self._program
                self._worker = RunningWorker(await self._children.start(program, arguments))
            current = self._worker
        return await current.ask(*question)

    def _put_away_lost(self) -> None:
        lost, self._worker = self._worker, None
        self._former = [one for one in (*self._former, lost) if one is not None and one.running]
        if lost is None:
            return
        self._starts_in_vain = 0 if lost.ever_answered else self._starts_in_vain + 1
        if self._starts_in_vain > 1:
            delay_s = min(_LONGEST_DELAY_S, 0.25 * 2**self._starts_in_vain)
            self._next_start_s = asyncio.get_running_loop().time() + delay_s

    def _check_may_start(self, question: Sequence[bytes]) -> None:
        if len(self._former) >= self._most_stuck:
            raise _unresponsive(question, "the processes that looked at it hang in the kernel")
        wait_s = self._next_start_s - asyncio.get_running_loop().time()
        if wait_s > 0:
            message = "the process that looks at files ends as soon as it is started"
            raise ModelError(Reason.INTERNAL, message, retry_delay_s=wait_s)

    def _replace_if_useless(self) -> None:
        if self._replacing is None or self._replacing.done():
            self._replacing = asyncio.create_task(self._kill_if_useless())

    async def _kill_if_useless(self) -> None:
        current = self._worker
        if current is None or current.lost or await current.is_useful(timeout_s=self._ping_timeout_s):
            return
        _log.warning("the file worker is stuck: killed", pid=current.pid, overdue=current.overdue_count)
        current.kill()


def shown(path: bytes) -> str:
    """Give a path as text that every message can hold."""
    return path.decode(errors="backslashreplace")


def _unresponsive(question: Sequence[bytes], message: str) -> ModelError:
    path = shown(question[1])
    return ModelError(Reason.POOL_UNRESPONSIVE, f"{path}: {message}", metadata={"path": path}, retry_delay_s=5.0)
