"""A child process: started without fork or shell, in a process group of its own, ended and reaped with a limit.

A fork of a process that has threads may hang, and a call before the exec (preexec_fn) needs one. The group is killed
whole, so that nothing that the child started outlives it. What hangs in the kernel is left even by SIGKILL: such a
child is counted as stuck, not awaited for ever.
"""

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process, SubprocessStreamProtocol
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import structlog
from tenacity import AsyncRetrying, RetryError, retry_if_result, stop_after_delay, wait_fixed

from poolfleet_agent.model.errors import ModelError, Reason

_log = structlog.get_logger(__name__)


_STREAM_LIMIT_BYTES = 64 << 10

INHERITED = -1
"""For a umask: the agent's own."""


class _Protocol(SubprocessStreamProtocol):
    """Knows when the program has ended: some Pythons' Process.wait() waits for its pipes too, which others may hold."""

    def __init__(self) -> None:
        super().__init__(limit=_STREAM_LIMIT_BYTES, loop=asyncio.get_running_loop())
        self.ended = asyncio.Event()

    def process_exited(self) -> None:
        super().process_exited()
        self.ended.set()


def hear_of_ends() -> None:
    """Have this loop hear itself of its children's ends, as later Pythons do: not from a thread for each, for whose
    start it would wait. Where the kernel or what contains the agent forbids that, there are threads.
    """
    if sys.version_info < (3, 12):
        try:
            os.close(os.pidfd_open(os.getpid()))
        except OSError:
            return
        watcher = asyncio.PidfdChildWatcher()
        watcher.attach_loop(asyncio.get_running_loop())
        asyncio.set_child_watcher(watcher)


def own_program(module: ModuleType) -> tuple[str, ...]:
    """The command that runs one of our modules as a program, which has the standard library only."""
    return (sys.executable, "-I", "-S", str(Path(module.__file__ or "").resolve()))


class Child:
    """A started program; its standard input and output are pipes, its standard error is where it was said."""

    def __init__(
        self, process: Process, *, ended: asyncio.Event, transport: asyncio.SubprocessTransport, reap_timeout_s: float
    ) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("a child needs pipes for its standard input and output")
        self._process = process
        self._ended = ended
        self._transport = transport
        self._reap_timeout_s = reap_timeout_s
        self._overdue = False
        self.stdin = process.stdin
        self.stdout = process.stdout
        self.stderr = process.stderr

    @property
    def pid(self) -> int:
        """Process id, and the id of its group."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """Its exit status, negative for a signal; None: it was not reaped yet."""
        return self._process.returncode

    @property
    def running(self) -> bool:
        """Whether it was not reaped yet."""
        return self._process.returncode is None

    @property
    def stuck(self) -> bool:
        """Whether it was killed, and is there still after the limit."""
        return self._overdue and self.running

    def kill(self) -> None:
        """Kill its whole group. It is reaped as soon as it is gone, which gone_within can wait for."""
        # Once it is reaped, its number may be another's.
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            asyncio.get_running_loop().call_later(self._reap_timeout_s, self._note_stuck)

    async def end(self, *, grace_s: float) -> bool:
        """Close its input, give it `grace_s` to leave, then kill it; the answer says whether it is gone."""
        self.stdin.close()
        if await self.gone_within(grace_s):
            return True
        self.kill()
        return await self.gone_within(self._reap_timeout_s)

    async def gone_within(self, timeout_s: float) -> bool:
        """Wait for its end; the answer says whether it came."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._ended.wait()
        except TimeoutError:
            return False
        return True

    async def group_gone_within(self, timeout_s: float) -> bool:
        """Wait, after it was killed, for its end and that of all that it started: they may end a little later."""
        looking = AsyncRetrying(
            retry=retry_if_result(lambda gone: not gone), stop=stop_after_delay(timeout_s), wait=wait_fixed(0.01)
        )
        try:
            return await looking(self._group_is_gone)
        except RetryError:
            return False

    async def _group_is_gone(self) -> bool:
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return not self.running
        return False

    def close_pipes(self) -> None:
        """Read no more of what others write that have its pipes still; for one that is gone, or killed."""
        self._transport.close()

    def _note_stuck(self) -> None:
        if self.running and not self._overdue:
            self._overdue = True
            _log.error("a child is stuck: even SIGKILL leaves it", pid=self.pid)


class Children:
    """Starts children, counts those that are stuck, and ends the rest with the agent."""

    def __init__(self, *, reap_timeout_s: float = 5.0) -> None:
        self._reap_timeout_s = reap_timeout_s
        self._running: list[Child] = []

    @property
    def stuck_count(self) -> int:
        """How many were killed, and are there still after the limit."""
        return sum(child.stuck for child in self._running)

    async def start(self, program: str, arguments: Sequence[str], *, folder: str = "/") -> Child:
        """Start a program, in the C locale, at `folder`: INTERNAL where it can not be started.

        Its standard error is the agent's.
        """
        return await self._start(program, arguments, folder, stderr=None)

    async def start_heard(
        self, program: str, arguments: Sequence[str], *, folder: str = "/", umask: int = INHERITED
    ) -> Child:
        """As `start`, with a pipe for its standard error too, which somebody has to read."""
        return await self._start(program, arguments, folder, stderr=PIPE, umask=umask)

    async def _start(
        self, program: str, arguments: Sequence[str], folder: str, *, stderr: int | None, umask: int = INHERITED
    ) -> Child:
        loop = asyncio.get_running_loop()
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "MALLOC_ARENA_MAX": "1"}
        starting = asyncio.ensure_future(
            loop.subprocess_exec(
                _Protocol,
                program,
                *arguments,
                stdin=PIPE,
                stdout=PIPE,
                stderr=stderr,
                cwd=folder,
                env=environment,
                process_group=0,
                umask=umask,
            )
        )
        try:
            transport, protocol = await asyncio.shield(starting)
        except asyncio.CancelledError:
            # asyncio would end the program alone, and leave what that has started already.
            with contextlib.suppress(OSError):
                child = self._took_in(*await starting)
                child.kill()
                await child.group_gone_within(self._reap_timeout_s)
                child.close_pipes()
            raise
        except OSError as error:
            raise ModelError(
                Reason.INTERNAL,
                f"{program} can not be started: {error.strerror}",
                metadata={"program": program, "error": str(error.strerror)},
                retry_delay_s=5.0,
            ) from error
        return self._took_in(transport, protocol)

    def _took_in(self, transport: asyncio.SubprocessTransport, protocol: _Protocol) -> Child:
        child = Child(
            Process(transport, protocol, asyncio.get_running_loop()),
            ended=protocol.ended,
            transport=transport,
            reap_timeout_s=self._reap_timeout_s,
        )
        self._running = [*(one for one in self._running if one.running), child]
        return child

    async def close(self) -> None:
        """Kill what runs still; what is stuck is left behind."""
        for child in self._running:
            child.kill()
        await asyncio.gather(*(child.gone_within(self._reap_timeout_s) for child in self._running))
