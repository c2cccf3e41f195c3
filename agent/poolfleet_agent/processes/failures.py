"""What the words mean that a program says when it fails: qemu-img's, and the system's own."""

import errno
import re
from collections.abc import Sequence

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.system_errors import REASON_OF_STORAGE_ERRNO, REASON_OF_TOLD_ERRNO, errno_told
from poolfleet_agent.processes.in_folder import NOT_THE_MOUNT
from poolfleet_agent.processes.own_file import NOT_THE_FILE

_MEANINGS: Sequence[tuple[re.Pattern[str], Reason]] = (
    (re.compile(NOT_THE_MOUNT), Reason.UNMOUNTED),
    (re.compile(NOT_THE_FILE), Reason.RESOURCE_BUSY),
    (re.compile(r"Unable to get accurate CPU usage"), Reason.RESOURCE_BUSY),
    (re.compile(r"Data from secret \S+ is not valid UTF-8"), Reason.SECRET_NOT_USABLE),
    (re.compile(r"Invalid password, cannot unlock"), Reason.SECRET_NOT_USABLE),
    (re.compile(r"Failed to get .*lock"), Reason.VOLUME_IN_USE),
    (
        re.compile(r"too large|too big|Invalid image size|size must be .*less than|max supported is"),
        Reason.TOO_LARGE,
    ),
    (re.compile(r"not support|Unknown driver"), Reason.NOT_SUPPORTED_HERE),
)
_VAGUE = re.compile(r"Could not (?:open|create|read)|not in \S+ format")
"""What counts where the words do not tell of an error of the system, which tells more."""


def failure(program: str, words: str, status: int, path: str) -> ModelError:
    """What a program that failed said, as a model error; `status` is negative for a signal."""
    said = words or f"{program} ended with status {status}"
    told = errno_told(words)
    if told not in REASON_OF_STORAGE_ERRNO:  # which is the cause, whatever else is said
        for pattern, reason in _MEANINGS:
            if pattern.search(words):
                return ModelError(reason, said, metadata={"path": path})
    if told:
        return ModelError(REASON_OF_TOLD_ERRNO[told], said, metadata={"path": path, "errno": errno.errorcode[told]})
    if _VAGUE.search(words):
        return ModelError(Reason.PATH_NOT_USABLE, said, metadata={"path": path})
    return ModelError(Reason.INTERNAL, said, metadata={"path": path, "status": str(status)})
