"""qemu-img: what it is asked, and what its words mean."""

import posixpath
import re
from collections.abc import Mapping, Sequence

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.image import LUKS, NewImage
from poolfleet_agent.model.ports.images import JobListener
from poolfleet_agent.model.share_user import ShareUser
from poolfleet_agent.processes.in_folder import NOT_THE_MOUNT
from poolfleet_agent.processes.jobs import Jobs, Workplace

_MEANINGS: Sequence[tuple[re.Pattern[str], Reason, Mapping[str, str]]] = (
    (re.compile(NOT_THE_MOUNT), Reason.UNMOUNTED, {}),
    (re.compile(r"Unable to get accurate CPU usage"), Reason.RESOURCE_BUSY, {}),
    (re.compile(r"Data from secret \S+ is not valid UTF-8"), Reason.SECRET_NOT_USABLE, {}),
    (re.compile(r"No space left on device"), Reason.FULL, {"errno": "ENOSPC"}),
    (re.compile(r"[Qq]uota exceeded"), Reason.QUOTA_EXCEEDED, {"errno": "EDQUOT"}),
    (re.compile(r"Read-only file system"), Reason.READ_ONLY, {"errno": "EROFS"}),
    (re.compile(r"Stale file handle"), Reason.STALE, {"errno": "ESTALE"}),
    (re.compile(r"File too large|too large|too big|Invalid image size"), Reason.TOO_LARGE, {}),
    (re.compile(r"Permission denied"), Reason.PATH_NOT_USABLE, {"errno": "EACCES"}),
    (re.compile(r"Operation not permitted"), Reason.PATH_NOT_USABLE, {"errno": "EPERM"}),
    (re.compile(r"Could not open|No such file|not in \S+ format"), Reason.PATH_NOT_USABLE, {}),
)


_KEY = "passphrase"


class QemuImg:
    """Implements model.ports.images.Images."""

    def __init__(self, jobs: Jobs, *, program: str = "qemu-img") -> None:
        """Own none of the jobs."""
        self._jobs = jobs
        self._program = program

    async def create(self, image: NewImage, *, user: ShareUser, listener: JobListener, timeout_s: float) -> None:
        """Make an image where nothing is yet, as that user."""
        argv = [self._program, *create_arguments(image)]
        place = Workplace(user, posixpath.dirname(image.path), image.device)
        stdin = image.passphrase.reveal if image.passphrase is not None else b""
        finished = await self._jobs.run(argv, place, listener=listener, timeout_s=timeout_s, stdin=stdin)
        if finished.status != 0:
            raise failure(finished.words, finished.status or 0, image.path)


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


def failure(words: str, status: int, path: str) -> ModelError:
    """What a qemu-img that failed said, as a model error; `status` is negative for a signal."""
    said = words or f"qemu-img ended with status {status}"
    for pattern, reason, metadata in _MEANINGS:
        if pattern.search(words):
            return ModelError(reason, said, metadata={"path": path, **metadata})
    return ModelError(Reason.INTERNAL, said, metadata={"path": path, "status": str(status)})
