"""What our programs say of their progress, for whoever listens to their job."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog

from poolfleet_agent.model.errors import ModelError
from poolfleet_agent.model.operation import Progress
from poolfleet_agent.model.ports.images import JobListener

log = structlog.get_logger(__name__)


@asynccontextmanager
async def told(listener: JobListener) -> AsyncIterator[Callable[[bytes], None]]:
    """What takes in lines `DONE TOTAL`, in bytes, as they come in pieces, and has the last of each piece told."""
    heard: asyncio.Queue[Progress | None] = asyncio.Queue()
    begun = b""

    def hear(piece: bytes) -> None:
        nonlocal begun
        *lines, begun = (begun + piece).split(b"\n")
        if lines:
            done, total = map(int, lines[-1].split())
            heard.put_nowait(Progress(done_bytes=done, total_bytes=total))

    async def tell() -> None:
        while (progress := await heard.get()) is not None:
            try:
                await listener.progress(progress)
            except ModelError as error:
                # The work goes on, and its end will be told.
                log.info("progress cannot be told", reason=error.reason, error=error.message)

    telling = asyncio.create_task(tell(), name="tell progress")
    try:
        yield hear
    finally:
        heard.put_nowait(None)
        await asyncio.wait([telling])
