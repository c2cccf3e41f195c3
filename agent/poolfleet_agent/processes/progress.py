"""What our programs say of their progress, for whoever listens to their job."""

import structlog

from poolfleet_agent.model.errors import ModelError
from poolfleet_agent.model.operation import Progress
from poolfleet_agent.model.ports.images import JobListener

log = structlog.get_logger(__name__)


class Hearing:
    """Takes in lines `DONE TOTAL`, in bytes, as they come in pieces, and tells the last of each piece."""

    def __init__(self, listener: JobListener) -> None:
        self._listener = listener
        self._begun = b""

    async def __call__(self, piece: bytes) -> None:
        """Take in what was read."""
        *lines, self._begun = (self._begun + piece).split(b"\n")
        if not lines:
            return
        done, total = map(int, lines[-1].split())
        try:
            await self._listener.progress(Progress(done_bytes=done, total_bytes=total))
        except ModelError as error:
            # The work goes on, and its end will be told.
            log.info("progress cannot be told", reason=error.reason, error=error.message)
