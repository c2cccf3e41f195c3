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

REASON_OF_ANY_ERRNO: Mapping[int, Reason] = {
    **REASON_OF_STORAGE_ERRNO,
    **dict.fromkeys((errno.ENOMEM, errno.EMFILE, errno.ENFILE), Reason.TOO_BUSY),
    **dict.fromkeys((errno.EOPNOTSUPP, errno.ENOSYS), Reason.NOT_SUPPORTED_HERE),
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
            errno.ELOOP,
            errno.ENXIO,
            errno.ENODEV,
            # Of a file that became a pipe.
            errno.ESPIPE,
        ),
        Reason.PATH_NOT_USABLE,
    ),
}
"""What is the same whether a call or a program that has ended tells it."""

REASON_OF_TOLD_ERRNO: Mapping[int, Reason] = {
    **REASON_OF_ANY_ERRNO,
    **dict.fromkeys(
        (
            errno.EAGAIN,
            errno.EBUSY,
            errno.ECONNREFUSED,
            errno.ECONNRESET,
            errno.EHOSTDOWN,
            errno.EHOSTUNREACH,
            errno.EINVAL,
            errno.EKEYEXPIRED,
            errno.ENETDOWN,
            errno.ENETUNREACH,
            errno.ENOKEY,
            errno.ENOLCK,
            errno.ENOTCONN,
            errno.ENOTEMPTY,
            errno.EPIPE,
            errno.ETIMEDOUT,
            errno.ETXTBSY,
        ),
        Reason.PATH_NOT_USABLE,
    ),
}
"""What an error means by which a program ended.

It is over then: none of these is a reason that says that something may still go on, or that trying again helps.
"""

_NUMBER_OF_TEXT = {os.strerror(number): number for number in REASON_OF_TOLD_ERRNO}
# The longer first: one begins with another.
_TEXTS = "|".join(re.escape(text) for text in sorted(_NUMBER_OF_TEXT, key=len, reverse=True))
_TOLD = re.compile(rf"(?:: |\(|\] | --? )({_TEXTS})(?!\w)")


def errno_told(words: str) -> int:
    """The number of the error that a program tells of in the C locale, as in `v: Not a directory`; 0: of none.

    Of several what storage says of itself, from which the others follow; else the last.
    """
    told = [_NUMBER_OF_TEXT[text] for text in _TOLD.findall(words)]
    of_storage = [number for number in told if number in REASON_OF_STORAGE_ERRNO]
    return (of_storage or told or [0])[-1]
