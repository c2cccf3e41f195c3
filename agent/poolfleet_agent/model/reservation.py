"""The agents' own files in the folders of pools.

A reservation, by which an agent tells all others of a share that it is creating a volume of some name; and a new file,
which is a volume's before it is complete and has its name.
"""

import hashlib
import json
from dataclasses import asdict, dataclass

OWN_PREFIX = ".poolfleet-"
"""What the names of the agents' own files in pools begin with: they are never volumes."""

LONGEST_CONTENT_BYTES = 4096

ANYBODYS_AFTER_S = 24 * 3600.0
"""An agents' file that old is anybody's to remove, by the clock that dated it."""

_PREFIX = OWN_PREFIX + "reserve."
_NEW_PREFIX = OWN_PREFIX + "new."
_LONGEST_FILE_NAME_BYTES = 255
_UNFINISHED_AFTER_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who reserved a name; `created` in seconds since the epoch, by that host's clock."""

    agent_id: str
    operation_id: str
    host: str
    created: float

    def content(self) -> bytes:
        """The content of the file."""
        return json.dumps(asdict(self)).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """A reservation as it was found; `holder` is None where its content does not tell, or is not `readable` to us."""

    inode: int
    modified_at_s: float
    holder: Holder | None
    readable: bool = True

    def is_left_over(self, now_s: float) -> bool:
        """Whether nobody can be at work any more: after a day; after ten minutes if its maker died while writing it."""
        unfinished = self.readable and self.holder is None
        limit_s = _UNFINISHED_AFTER_S if unfinished else ANYBODYS_AFTER_S
        return now_s - self.modified_at_s > limit_s


def holder_of(content: bytes) -> Holder | None:
    """Read the content of the file; None where it is not, or not wholly, there."""
    try:
        told = json.loads(content)
        return Holder(
            agent_id=str(told["agent_id"]),
            operation_id=str(told["operation_id"]),
            host=str(told["host"]),
            created=float(told["created"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


def reservation_name(volume: str) -> str:
    """Name of the file that reserves a volume's name.

    One that would be too long for a file has the digest of the name instead, after a dot: no volume begins with one, so
    no two names are ever reserved by the same file.
    """
    name = _PREFIX + volume
    if len(name.encode(errors="surrogateescape")) <= _LONGEST_FILE_NAME_BYTES:
        return name
    return f"{_PREFIX}.{hashlib.sha256(volume.encode(errors='surrogateescape')).hexdigest()}"


def is_reservation_name(name: str) -> bool:
    """Whether a file of that name is a reservation."""
    return name.startswith(_PREFIX)


def new_file_name(operation_id: str) -> str:
    """Name of the file that an operation fills before it becomes a volume."""
    return _NEW_PREFIX + operation_id


def operation_of_new_file(name: str) -> str:
    """Which operation fills a file of that name; empty: it is none of these."""
    return name.removeprefix(_NEW_PREFIX) if name.startswith(_NEW_PREFIX) else ""
