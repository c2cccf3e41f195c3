"""qemu-img: what it is asked, and what its words mean."""

import json
import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.image import PREALLOCATED_FORMATS, Layer, NewImage, SourceImage
from poolfleet_agent.model.ports.images import JobListener
from poolfleet_agent.model.share_user import ShareUser
from poolfleet_agent.processes.in_folder import NOT_THE_MOUNT
from poolfleet_agent.processes.jobs import Jobs, Workplace
from poolfleet_agent.processes.run import Finished

_MEANINGS: Sequence[tuple[re.Pattern[str], Reason, Mapping[str, str]]] = (
    (re.compile(NOT_THE_MOUNT), Reason.UNMOUNTED, {}),
    (re.compile(r"Failed to get .{1,20} lock"), Reason.VOLUME_IN_USE, {}),
    (re.compile(r"No space left on device"), Reason.FULL, {"errno": "ENOSPC"}),
    (re.compile(r"[Qq]uota exceeded"), Reason.QUOTA_EXCEEDED, {"errno": "EDQUOT"}),
    (re.compile(r"Read-only file system"), Reason.READ_ONLY, {"errno": "EROFS"}),
    (re.compile(r"Stale file handle"), Reason.STALE, {"errno": "ESTALE"}),
    (
        re.compile(r"File too large|too large|too big|Invalid image size|size must be .*less than|max supported is"),
        Reason.TOO_LARGE,
        {},
    ),
    (re.compile(r"Permission denied"), Reason.PATH_NOT_USABLE, {"errno": "EACCES"}),
    (re.compile(r"Operation not permitted"), Reason.PATH_NOT_USABLE, {"errno": "EPERM"}),
    (re.compile(r"Could not open|No such file|not in \S+ format"), Reason.PATH_NOT_USABLE, {}),
)


_PERCENT = re.compile(rb"\((\d{1,3}(?:\.\d+)?)/100%\)")
_FOLDER_OF_NOTHING = "/"


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
        _check(await self._jobs.run(argv, place, listener=listener, timeout_s=timeout_s), image.path)

    async def measure(self, source: SourceImage, *, user: ShareUser, listener: JobListener, timeout_s: float) -> int:
        """Bytes that a copy takes at most, whose empty parts stay empty."""
        argv = [self._program, *measure_arguments(source)]
        place = Workplace(user, _FOLDER_OF_NOTHING, reads_all=True)
        path = source.layers[0].path
        finished = _check(await self._jobs.run(argv, place, listener=listener, timeout_s=timeout_s), path)
        try:
            return int(json.loads(finished.stdout)["required"])
        except (ValueError, KeyError, TypeError) as error:
            said = f"qemu-img measure says what is not understood of {path}"
            raise ModelError(Reason.INTERNAL, said, metadata={"path": path}) from error

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
        """Write into an image that was just made what another holds."""

        def heard(words: bytes) -> None:
            if percents := _PERCENT.findall(words):
                copied(float(percents[-1]) / 100)

        argv = [self._program, *copy_arguments(source, target)]
        place = Workplace(user, posixpath.dirname(target.path), target.device, reads_all=True)
        finished = await self._jobs.run(argv, place, listener=listener, timeout_s=timeout_s, heard=heard)
        _check(finished, target.path)


def create_arguments(image: NewImage) -> list[str]:
    """What follows the program's name, in the image's folder. Paths begin so that none is taken for a protocol's."""
    arguments = ["create", "-q", "-f", image.format]
    if image.format in PREALLOCATED_FORMATS:
        arguments += ["-o", f"preallocation={'falloc' if image.allocated else 'off'}"]
    if image.format == "vpc":  # it would be as large as the geometry of some disk
        arguments += ["-o", "force_size=on"]
    if (backing := image.backing_store) is not None:
        arguments += ["-b", backing.path, "-F", backing.format or "raw"]
    return [*arguments, "--", _own_name(image), str(image.size_bytes)]


def measure_arguments(source: SourceImage) -> list[str]:
    """What follows the program's name. What a qcow2 copy takes is what any other does, and a little more."""
    forced = ["-U"] if source.forced else []
    return ["measure", *forced, "-O", "qcow2", "--output=json", "--", _described(source)]


def copy_arguments(source: SourceImage, target: NewImage) -> list[str]:
    """What follows the program's name, in the target's folder. The data are safe on the storage when it has ended."""
    forced = ["-U"] if source.forced else []
    into = ["-n", "--target-is-zero", "-t", "writeback", "-O", target.format]
    return ["convert", "-p", *forced, *into, "--", _described(source), _own_name(target)]


def _own_name(image: NewImage) -> str:
    return f"./{posixpath.basename(image.path)}"


def _described(source: SourceImage) -> str:
    """An image by all of its layers, so that nothing is guessed, and no file is opened that a header names."""
    node: dict[str, Any] | None = None
    for layer in reversed(source.layers):
        node = {"driver": layer.format, "file": _file(layer)} | ({} if layer.format == "raw" else {"backing": node})
    return f"json:{json.dumps(node)}"


def _file(layer: Layer) -> dict[str, Any]:
    return {"driver": "host_device" if layer.is_block else "file", "filename": layer.path}


def _check(finished: Finished, path: str) -> Finished:
    if finished.status != 0:
        raise failure(finished.words, finished.status or 0, path)
    return finished


def failure(words: str, status: int, path: str) -> ModelError:
    """What a qemu-img that failed said, as a model error; `status` is negative for a signal."""
    said = words or f"qemu-img ended with status {status}"
    for pattern, reason, metadata in _MEANINGS:
        if pattern.search(words):
            return ModelError(reason, said, metadata={"path": path, **metadata})
    return ModelError(Reason.INTERNAL, said, metadata={"path": path, "status": str(status)})
