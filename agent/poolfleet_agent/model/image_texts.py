"""What qemu-img says when it fails, and what it means: one table, for our own and for libvirt's.

Texts of qemu 5.2 and later, in the C locale.
"""

import re

from poolfleet_agent.model.errors import Reason
from poolfleet_agent.model.system_errors import REASON_OF_STORAGE_ERRNO, REASON_OF_TOLD_ERRNO, errno_told

# The first that is found counts.
_TEXTS = tuple(
    (re.compile(pattern), reason)
    for pattern, reason in (
        # It measures how fast it hashes a passphrase, and gives up where the clock did not move meanwhile.
        (r"Unable to get accurate CPU usage", Reason.RESOURCE_BUSY),
        (r"Data from secret .* is not valid UTF-8|Invalid password", Reason.SECRET_NOT_USABLE),
        (r"Failed to (?:get .*lock|lock byte .*Resource temporarily)", Reason.VOLUME_IN_USE),
        # Of a source that somebody made larger while it was copied.
        (r"output file is smaller than input file", Reason.ETAG_MISMATCH),
        # Of a file that somebody made larger than it is known to be.
        (r"Use the --shrink option", Reason.WOULD_SHRINK),
        (
            r"too large|too big|Invalid image size|size must be .*less than|max supported is|max of \d+TB",
            Reason.TOO_LARGE,
        ),
        (r"Unknown file format|Unknown driver|not support|Can(?:'t|not) resize", Reason.NOT_SUPPORTED_HERE),
    )
)
_CANNOT_OPEN = re.compile(r"Could not open")
_NOT_ACCEPTED = re.compile(r"does not accept|Invalid (?!argument)|must be|should be|can only be used")
_VAGUE = re.compile(r"Could not|Failed to|Unable to|[Ii]mage (?:is |not |does not |corrupt)|not in \S+ format")
_SAYS_WHY = re.compile(r"qemu-img: \S")
_NAME = re.compile(r"(?<!\w)'[^']*'(?!\w)")


def image_failure(words: str) -> tuple[Reason | None, int]:
    """Why it failed by its own words, names in them left out, and the number of the system's error in them.

    None: it has not said why; 0: it tells of none. What storage says of itself goes before all else. INVALID_FIELD is
    of what it was told to do. Where it refuses in words that are in no rule, they are for a person: WRONG_STATE.
    """
    words = _NAME.sub("''", words)
    told = errno_told(words)
    return _reason(words, told), told


def _reason(words: str, told: int) -> Reason | None:
    if told in REASON_OF_STORAGE_ERRNO:
        return REASON_OF_STORAGE_ERRNO[told]
    for pattern, reason in _TEXTS:
        if pattern.search(words):
            return reason
    if told:
        return REASON_OF_TOLD_ERRNO[told]
    if not _CANNOT_OPEN.search(words) and _NOT_ACCEPTED.search(words):
        return Reason.INVALID_FIELD
    if _VAGUE.search(words):
        return Reason.PATH_NOT_USABLE
    return Reason.WRONG_STATE if _SAYS_WHY.search(words) else None
