"""One worker process as long as it runs: questions with ids, and their answers in any order."""

import asyncio
import itertools

import structlog

from poolfleet_agent.files.frames import LONGEST_FRAME_BYTES, pack, unpack
from poolfleet_agent.files.worker import PING, THREADS
from poolfleet_agent.processes.child import Child

_log = structlog.get_logger(__name__)


class WorkerLostError(Exception):
    """The worker ended before it answered."""


class RunningWorker:
    """Owns the child and the task that reads its answers. Answers that nobody waits for any more are dropped."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self._ids = itertools.count(1)
        self._unanswered: dict[bytes, asyncio.Future[list[bytes]]] = {}
        self._reading = asyncio.create_task(self._read())
        self.lost = False
        self.ever_answered = False

    @property
    def pid(self) -> int:
        """Process id."""
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether the process is there still, be it lost."""
        return self._child.running

    @property
    def overdue_count(self) -> int:
        """How many questions it still works at although nobody waits for their answers."""
        return sum(answer.done() for answer in self._unanswered.values())

    async def ask(self, *question: bytes) -> list[bytes]:
        """Give the answer's fields, its errno first: WorkerLostError. The caller sets the limit."""
        if self.lost:
            raise WorkerLostError
        question_id = b"%d" % next(self._ids)
        answer: asyncio.Future[list[bytes]] = asyncio.get_running_loop().create_future()
        self._unanswered[question_id] = answer
        # Without waiting for the pipe: the number of questions and the length of a path are bounded.
        self._child.stdin.write(pack(question_id, *question))
        return await answer

    async def is_useful(self, *, timeout_s: float) -> bool:
        """Whether it answers at all, and has a thread left for new questions."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.ask(PING)
        except (TimeoutError, WorkerLostError):
            return False
        return self.overdue_count < THREADS

    def kill(self) -> None:
        """End it at once; questions that are open fail with WorkerLostError."""
        self._lose()
        self._reading.cancel()

    async def close(self) -> None:
        """Let it end by itself, or kill it after a second."""
        self.lost = True
        await self._child.end(grace_s=1.0)
        self.kill()
        await asyncio.wait([self._reading])

    async def _read(self) -> None:
        stdout = self._child.stdout
        try:
            while (length := int.from_bytes(await stdout.readexactly(4), "big")) <= LONGEST_FRAME_BYTES:
                question_id, *fields = unpack(await stdout.readexactly(length))
                self.ever_answered = True
                answer = self._unanswered.pop(question_id)
                if not answer.done():
                    answer.set_result(fields)
        except (asyncio.IncompleteReadError, ConnectionError):
            # Its end: said to each who waits.
            return
        except (ValueError, KeyError) as error:
            _log.warning("the file worker answers what was not asked: killed", pid=self.pid, error=str(error))
        finally:
            self._lose()

    def _lose(self) -> None:
        self.lost = True
        self._child.kill()
        for answer in self._unanswered.values():
            if not answer.done():
                answer.set_exception(WorkerLostError())
