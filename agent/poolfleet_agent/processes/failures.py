"""What the words mean that a program says when it fails: qemu-img's, and the system's own."""

import re
from collections.abc import Mapping, Sequence

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.processes.in_folder import NOT_THE_MOUNT
from poolfleet_agent.processes.own_file import NOT_THE_FILE

_MEANINGS: Sequence[tuple[re.Pattern[str], Reason, Mapping[str, str]]] = (
    (re.compile(NOT_THE_MOUNT), Reason.UNMOUNTED, {}),
    (re.compile(NOT_THE_FILE), Reason.RESOURCE_BUSY, {}),
    (re.compile(r"Unable to get accurate CPU usage"), Reason.RESOURCE_BUSY, {}),
    (re.compile(r"Data from secret \S+ is not valid UTF-8"), Reason.SECRET_NOT_USABLE, {}),
    (re.compile(r"Invalid password, cannot unlock"), Reason.SECRET_NOT_USABLE, {}),
    (re.compile(r"Failed to get .*lock"), Reason.VOLUME_IN_USE, {}),
    (re.compile(r"No space left on device"), Reason.FULL, {"errno": "ENOSPC"}),
    (re.compile(r"[Qq]uota exceeded"), Reason.QUOTA_EXCEEDED, {"errno": "EDQUOT"}),
    (re.compile(r"Read-only file system"), Reason.READ_ONLY, {"errno": "EROFS"}),
    (re.compile(r"Stale file handle"), Reason.STALE, {"errno": "ESTALE"}),
    (
        re.compile(r"too large|too big|Invalid image size|size must be .*less than|max supported is"),
        Reason.TOO_LARGE,
        {},
    ),
    (re.compile(r"Permission denied"), Reason.PATH_NOT_USABLE, {"errno": "EACCES"}),
    (re.compile(r"Operation not permitted"), Reason.PATH_NOT_USABLE, {"errno": "EPERM"}),
    (re.compile(r"not support|Unknown driver"), Reason.NOT_SUPPORTED_HERE, {}),
    (re.compile(r"Could not open|No such file|not in \S+ format"), Reason.PATH_NOT_USABLE, {}),
)


def failure(program: str, words: str, status: int, path: str) -> ModelError:
    """What a program that failed said, as a model error; `status` is negative for a signal."""
    said = words or f"{program} ended with status {status}"
    for pattern, reason, metadata in _MEANINGS:
        if pattern.search(words):
            return ModelError(reason, said, metadata={"path": path, **metadata})
    return ModelError(Reason.INTERNAL, said, metadata={"path": path, "status": str(status)})
