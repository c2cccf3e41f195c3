"""Removes partitions by parted, which libvirt has its disk pools done by too."""

from collections.abc import Sequence

import structlog

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.processes.child import Children
from poolfleet_agent.processes.failures import failure
from poolfleet_agent.processes.run import run

_NOT_THERE = "No such device or address"
_TABLE_READ_S = 30.0

log = structlog.get_logger(__name__)


class Parted:
    """Implements model.ports.partitions.Partitions."""

    def __init__(self, children: Children) -> None:
        """Own none of the children."""
        self._children = children

    async def remove(self, disk: str, number: int, *, timeout_s: float) -> None:
        """Remove one partition: from the kernel first, which alone knows of everybody who has it open, then from the
        table, which parted would write before it asks the kernel. Where that fails, the kernel has it back."""
        try:
            # It knows neither options nor `--`: what it is given is an absolute path, and a number.
            await self._run(("delpart", disk, str(number)), disk, timeout_s)
        except ModelError as error:
            if "busy" in error.message:
                message = f"partition {number} of {disk} is mounted, or open in some program"
                raise ModelError(Reason.VOLUME_IN_USE, message, metadata=error.metadata) from error
            # Whoever died between the two steps has left it in the table alone.
            if _NOT_THERE not in error.message:
                raise
        try:
            await self._run(("parted", "--script", "--", disk, "rm", str(number)), disk, timeout_s)
        except ModelError:
            await self._have_table_read(disk)
            raise

    async def _have_table_read(self, disk: str) -> None:
        """Let the kernel have the partitions that the table has. Why parted failed is what has to be told, not this."""
        try:
            await self._run(("partx", "--update", "--", disk), disk, _TABLE_READ_S)
        except ModelError as error:
            log.warning("the kernel may lack a partition that the table has", path=disk, error=error.message)

    async def _run(self, argv: Sequence[str], disk: str, timeout_s: float) -> None:
        finished = await run(self._children, argv, timeout_s=timeout_s)
        if finished.status is None:
            message = f"{argv[0]} did not end within {timeout_s:g} s"
            raise ModelError(Reason.OPERATION_TIMED_OUT, message, metadata={"path": disk})
        if finished.status != 0:
            raise failure(argv[0], finished.words, finished.status, disk)
