"""Making and filling the files of volumes by programs of our own."""

from collections.abc import Callable
from typing import Protocol

from poolfleet_agent.model.image import NewImage, SourceImage
from poolfleet_agent.model.share_user import ShareUser


class JobListener(Protocol):
    """Hears where a job stands."""

    async def waits(self) -> None:
        """It has to wait for its turn."""
        ...

    async def begins(self) -> None:
        """It is at work, after it had to wait."""
        ...


class Images(Protocol):
    """Runs the programs as children that may be lost; cancelled, they end with all that they started."""

    async def create(self, image: NewImage, *, user: ShareUser, listener: JobListener, timeout_s: float) -> None:
        """Make an image where nothing is yet, as that user; what a failure leaves there is the caller's to remove.

        UNMOUNTED, FULL, QUOTA_EXCEEDED, READ_ONLY, STALE, TOO_LARGE, PATH_NOT_USABLE (`errno` in its metadata says
        EACCES or EPERM where that was denied), OPERATION_TIMED_OUT, INTERNAL.
        """
        ...

    async def measure(self, source: SourceImage, *, user: ShareUser, listener: JobListener, timeout_s: float) -> int:
        """Bytes that a copy takes at most, whose empty parts stay empty. The source is read as in `copy`."""
        ...

    async def copy(
        self,
        source: SourceImage,
        target: NewImage,
        *,
        user: ShareUser,
        listener: JobListener,
        copied: Callable[[float], None],
        timeout_s: float,
    ) -> None:
        """Write into an image that was just made what another holds; `copied` is told which share of it is there.

        As that user, who may read local files as the agent itself does. As `create`, and VOLUME_IN_USE where another
        program holds the source, which is not `forced`.
        """
        ...
