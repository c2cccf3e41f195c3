"""The system's errors in the model's words: by their number, and by the text that programs tell them with."""

import errno
import os
import re
from collections.abc import Mapping

from poolfleet_agent.model.errors import Reason

REASON_OF_STORAGE_ERRNO: Mapping[int, Reason] = {
    errno.ENOSPC: Reason.FULL,
    errno.EDQUOT: Reason.QUOTA_EXCEEDED,
    errno.EROFS: Reason.READ_ONLY,
    errno.ESTALE: Reason.STALE,
    errno.EFBIG: Reason.TOO_LARGE,
}
"""What storage says of itself, whoever asks it and for whatever."""

REASON_OF_ERRNO: Mapping[int, Reason] = {
    **REASON_OF_STORAGE_ERRNO,
    **dict.fromkeys((errno.ENOMEM, errno.EMFILE, errno.ENFILE), Reason.TOO_BUSY),
    **dict.fromkeys((errno.EBUSY, errno.EAGAIN, errno.ETXTBSY, errno.EINTR), Reason.RESOURCE_BUSY),
    **dict.fromkeys((errno.EOPNOTSUPP, errno.ENOSYS), Reason.NOT_SUPPORTED_HERE),
    # Of a gluster mount whose client died, the system says that it is not connected.
    **dict.fromkeys(
        (
            errno.ECONNREFUSED,
            errno.ENOTCONN,
            errno.ETIMEDOUT,
            errno.EHOSTDOWN,
            errno.EHOSTUNREACH,
            errno.ENETDOWN,
            errno.ENETUNREACH,
        ),
        Reason.POOL_UNRESPONSIVE,
    ),
    **dict.fromkeys(
        (
            errno.ENOENT,
            errno.EEXIST,
            errno.ENOTDIR,
            errno.EISDIR,
            errno.EACCES,
            errno.EPERM,
            errno.EIO,
            errno.EREMOTEIO,
            errno.EUCLEAN,
            errno.EINVAL,
            errno.ELOOP,
            errno.ENXIO,
            errno.ENODEV,
        ),
        Reason.PATH_NOT_USABLE,
    ),
    errno.EOVERFLOW: Reason.TOO_LARGE,
    errno.ENOTEMPTY: Reason.WRONG_STATE,
}
"""What an error of the system means for a pool or a volume; one that is not in it means nothing by itself."""

_NUMBER_OF_TEXT = {os.strerror(number): number for number in REASON_OF_ERRNO}
_TOLD = re.compile(rf"(?:: |\()({'|'.join(map(re.escape, _NUMBER_OF_TEXT))})(?!\w)")


def errno_told(words: str) -> int:
    """The number of the error that a program tells of in the C locale, as in `v: Not a directory`; 0: none."""
    told = _TOLD.search(words)
    return _NUMBER_OF_TEXT[told[1]] if told else 0
