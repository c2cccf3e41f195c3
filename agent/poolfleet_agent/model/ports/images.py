"""Making the files of volumes by programs of our own."""

from typing import Protocol

from poolfleet_agent.model.image import NewImage
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

        RESOURCE_BUSY: an encrypted one may succeed if tried again; SECRET_NOT_USABLE: its passphrase is no text.
        UNMOUNTED, FULL, QUOTA_EXCEEDED, READ_ONLY, STALE, TOO_LARGE, PATH_NOT_USABLE (`errno` in its metadata says
        EACCES or EPERM where that was denied), OPERATION_TIMED_OUT, INTERNAL.
        """
        ...
