"""Making, filling and changing the files of volumes by programs of our own."""

from collections.abc import Callable
from typing import Protocol

from poolfleet_agent.model.image import ImageFile, NewImage, SourceImage
from poolfleet_agent.model.operation import Progress
from poolfleet_agent.model.resizing import Resizing
from poolfleet_agent.model.share_user import ShareUser


class JobListener(Protocol):
    """Hears where a job stands."""

    def waits(self) -> None:
        """It has to wait for its turn."""
        ...

    async def begins(self) -> None:
        """It is at work, after it had to wait; what this raises ends the job before it begins."""
        ...

    def progress(self, progress: Progress) -> None:
        """It is so far."""
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

    async def resize(
        self, image: ImageFile, change: Resizing, *, user: ShareUser, listener: JobListener, timeout_s: float
    ) -> None:
        """Change the capacity of an image whose format has a header, as that user. Errors as `create`.

        VOLUME_IN_USE where a guest holds its lock, NOT_SUPPORTED_HERE where the format cannot do it.
        """
        ...


class Contents(Protocol):
    """Runs programs that change what a file holds, in place and whatever its format; they tell how far they are.

    Errors are those of Images, and RESOURCE_BUSY where the file is another by now.
    """

    async def allocate(
        self, file: ImageFile, size_bytes: int, *, user: ShareUser, listener: JobListener, timeout_s: float
    ) -> None:
        """Take all bytes up to that length from the storage, as that user; what is there stays."""
        ...

    async def wipe(self, file: ImageFile, *, user: ShareUser, listener: JobListener, timeout_s: float) -> None:
        """Overwrite with zeros all that is written in it, as that user; its length and its holes stay."""
        ...
