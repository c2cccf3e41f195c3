"""A worker's answers in the model's words: errno into its errors, modes into its kinds."""

import errno
import os
import stat
from collections.abc import Sequence

from poolfleet_agent.files.channel import shown
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.ports import FileKind
from poolfleet_agent.model.system_errors import REASON_OF_STORAGE_ERRNO

KINDS = {
    stat.S_IFREG: FileKind.FILE,
    stat.S_IFDIR: FileKind.DIRECTORY,
    stat.S_IFLNK: FileKind.SYMLINK,
    stat.S_IFBLK: FileKind.BLOCK,
}

_REASONS = {**REASON_OF_STORAGE_ERRNO, errno.EXDEV: Reason.UNMOUNTED}
_MISSING = frozenset({errno.ENOENT, errno.ENOTDIR})


def fields_of(path: str, answer: Sequence[bytes]) -> Sequence[bytes] | None:
    """What was found at a path; None: it is missing. STALE, READ_ONLY, FULL, …, else PATH_NOT_USABLE."""
    number, *found = answer
    code = int(number)
    if code == 0:
        return found
    if code in _MISSING:
        return None
    name, text = shown(os.fsencode(path)), os.strerror(code)
    raise ModelError(
        _REASONS.get(code, Reason.PATH_NOT_USABLE),
        f"{name}: {text}",
        metadata={"path": name, "error": text, "errno": errno.errorcode.get(code, str(code))},
    )
