"""qemu-img: what it is asked."""

import posixpath
from collections.abc import Sequence

from poolfleet_agent.model.image import LUKS, ImageFile, NewImage
from poolfleet_agent.model.ports.images import JobListener
from poolfleet_agent.model.resizing import Resizing
from poolfleet_agent.model.share_user import ShareUser
from poolfleet_agent.processes.failures import failure
from poolfleet_agent.processes.jobs import Jobs, Workplace

_KEY = "passphrase"


class QemuImg:
    """Implements model.ports.images.Images."""

    def __init__(self, jobs: Jobs, *, program: str = "qemu-img") -> None:
        """Own none of the jobs."""
        self._jobs = jobs
        self._program = program

    async def create(self, image: NewImage, *, user: ShareUser, listener: JobListener, timeout_s: float) -> None:
        """Make an image where nothing is yet, as that user."""
        place = Workplace(user, posixpath.dirname(image.path), image.device)
        stdin = image.passphrase.reveal if image.passphrase is not None else b""
        await self._run(create_arguments(image), place, image.path, listener, timeout_s, stdin)

    async def resize(
        self, image: ImageFile, change: Resizing, *, user: ShareUser, listener: JobListener, timeout_s: float
    ) -> None:
        """Change an image's capacity, as that user."""
        place = Workplace(user, posixpath.dirname(image.path), image.device)
        await self._run(resize_arguments(image.path, change), place, image.path, listener, timeout_s)

    async def _run(
        self,
        arguments: Sequence[str],
        place: Workplace,
        path: str,
        listener: JobListener,
        timeout_s: float,
        stdin: bytes = b"",
    ) -> None:
        argv = [self._program, *arguments]
        finished = await self._jobs.run(argv, place, listener=listener, timeout_s=timeout_s, stdin=stdin)
        if finished.status != 0:
            raise failure(self._program, finished.words, finished.status or 0, path)


def create_arguments(image: NewImage) -> list[str]:
    """What follows the program's name, in the image's folder. Paths begin so that none is taken for a protocol's.

    A passphrase comes by standard input: everybody may read the words of a command.
    """
    options = [f"preallocation={'falloc' if image.allocated else 'off'}"]
    arguments = ["create", "-q", "-f", image.format]
    if image.passphrase is not None:
        arguments += ["--object", f"secret,id={_KEY},file=/dev/stdin"]
        if image.format == LUKS:
            options.append(f"key-secret={_KEY}")
        else:
            options += ["encrypt.format=luks", f"encrypt.key-secret={_KEY}"]
    arguments += ["-o", ",".join(options)]
    if (backing := image.backing_store) is not None:
        arguments += ["-b", backing.path, "-F", backing.format or "raw"]
    return [*arguments, "--", f"./{posixpath.basename(image.path)}", str(image.size_bytes)]


def resize_arguments(path: str, change: Resizing) -> list[str]:
    """As create_arguments, to change an image's capacity. Its format is told, or a raw one could pretend another."""
    arguments = ["resize", "-q", "-f", change.format]
    if change.shrinks:
        arguments.append("--shrink")
    elif change.allocate:
        arguments.append("--preallocation=falloc")
    return [*arguments, "--", f"./{posixpath.basename(path)}", str(change.capacity_bytes)]
