"""A program that is run to its end: what it says is bounded, its time has a limit, its group is killed with it."""

import asyncio
from asyncio import StreamReader
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from poolfleet_agent.processes.child import INHERITED, Child, Children

MOST_OUTPUT_BYTES = 64 << 10
_LAST_WORDS_S = 0.5
_REAP_S = 1.0
_CHUNK_BYTES = 16 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a program ended. `status` is negative for a signal; None: it was killed when its time was over.

    `stdout` and `stderr` hold the beginning of what it said.
    """

    status: int | None
    stdout: bytes
    stderr: bytes

    @property
    def words(self) -> str:
        """Its standard error as one line."""
        return " ".join(self.stderr.decode(errors="backslashreplace").split())


def unheard(_: bytes) -> None:
    """Nobody wants to know."""


async def run(
    children: Children,
    argv: Sequence[str],
    *,
    timeout_s: float,
    most_output_bytes: int = MOST_OUTPUT_BYTES,
    heard: Callable[[bytes], None] = unheard,
    stdin: bytes = b"",
    umask: int = INHERITED,
) -> Finished:
    """Run a program to its end, or kill its group after `timeout_s`: INTERNAL where it can not be started.

    Its standard input is `stdin`. `heard` is given what it writes to its standard output, as it comes. What others
    write that have its pipes still is not waited for.
    """
    child = await children.start_heard(argv[0], argv[1:], umask=umask)
    stdout, stderr = bytearray(), bytearray()
    reading = [
        asyncio.create_task(_collect(stream, into, most_output_bytes, listener))
        for stream, into, listener in ((child.stdout, stdout, heard), (child.stderr, stderr, unheard))
        if stream is not None
    ]
    try:
        child.stdin.write(stdin)
        child.stdin.close()
        status = await _status_within(child, timeout_s)
        await asyncio.wait(reading, timeout=_LAST_WORDS_S)
    finally:
        # Whoever asked may look at once at what it did: nothing of it must go on.
        if child.running:
            child.kill()
            await child.group_gone_within(_REAP_S)
        child.close_pipes()
        for task in reading:
            task.cancel()
        await asyncio.wait(reading)
    return Finished(status=status, stdout=bytes(stdout), stderr=bytes(stderr))


async def _status_within(child: Child, timeout_s: float) -> int | None:
    if await child.gone_within(timeout_s):
        return child.status
    child.kill()
    await child.group_gone_within(_REAP_S)
    return None


async def _collect(stream: StreamReader, into: bytearray, most_bytes: int, heard: Callable[[bytes], None]) -> None:
    """Read to the end; what is too much is read too, or the program would wait for us, and dropped."""
    while chunk := await stream.read(_CHUNK_BYTES):
        into += chunk[: most_bytes - len(into)]
        heard(chunk)
