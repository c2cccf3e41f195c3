"""Looking at paths of the host."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, Self

from poolfleet_agent.model.share_user import ShareUser


class FileKind(StrEnum):
    """What a path is."""

    FILE = "FILE"
    DIRECTORY = "DIRECTORY"
    SYMLINK = "SYMLINK"
    BLOCK = "BLOCK"
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """lstat or stat of a path."""

    kind: FileKind
    device: int
    inode: int
    size_bytes: int
    allocated_bytes: int
    mode: int
    uid: int
    gid: int
    modified_at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSystemFacts:
    """statvfs of a path, and an id of the file system that is stable over reboots where there is one."""

    id: str
    capacity_bytes: int
    available_bytes: int
    read_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeFile:
    """A file that was just made; `uid` is its owner as the file system says, which may take its maker for another."""

    inode: int
    uid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What a worker's user may do in a directory: list it, make files in it, open files in it."""

    read: bool
    write: bool
    search: bool


class Files(Protocol):
    """Looks at paths, in a child process that may be lost. Missing paths are None; all else raises ModelError.

    `device`, where it is asked for: `major:minor` of the mount that the folder must lie on, else UNMOUNTED, and nothing
    is made or removed; empty: any.
    """

    def acting_as(self, user: ShareUser) -> Self:
        """The same files, those on network mounts touched as that user; local ones as before."""
        ...

    async def stat(self, path: str, *, timeout_s: float = 5.0) -> FileFacts | None:
        """Follow symbolic links."""
        ...

    async def lstat(self, path: str, *, timeout_s: float = 5.0) -> FileFacts | None:
        """Do not follow the last symbolic link."""
        ...

    async def real_path(self, path: str, *, timeout_s: float = 5.0) -> str:
        """Resolve every symbolic link, as far as the path exists."""
        ...

    async def file_system(self, path: str, *, timeout_s: float = 5.0) -> FileSystemFacts | None:
        """The file system that a path lies on."""
        ...

    async def names(self, path: str, *, timeout_s: float = 10.0) -> Sequence[bytes]:
        """Names in a directory, as bytes, unordered; empty where it is missing."""
        ...

    async def first_name(self, path: str, *, timeout_s: float = 5.0) -> bytes | None:
        """One name in a directory, which is opened anew; None: it is empty or missing."""
        ...

    async def rights(self, path: str, *, timeout_s: float = 5.0) -> Rights:
        """What the worker's user, root, may do there; on a network mount the server itself is asked."""
        ...

    async def head(self, path: str, length_bytes: int, *, timeout_s: float = 5.0) -> bytes | None:
        """The beginning of a regular file."""
        ...

    async def data_bytes(self, path: str, *, most_pieces: int, timeout_s: float = 30.0) -> int | None:
        """How much a regular file holds beside its holes; None too where that is in more pieces than so many."""
        ...

    async def open_first(self, path: str, *, timeout_s: float) -> None:
        """Open one of a directory's files for reading, and close it; without files, and missing, there is nothing."""
        ...

    async def make_exclusive(
        self, path: str, content: bytes, *, unless: str, device: str = "", timeout_s: float = 30.0
    ) -> MadeFile | None:
        """Make a file where there is neither it nor its neighbour `unless`; None: one of them is there.

        All of `content` is in it only if the neighbour was missing after it was made. After POOL_UNRESPONSIVE it may
        have been made all the same. A directory that is missing is PATH_NOT_USABLE.
        """
        ...

    async def make_empty(
        self, path: str, *, size_bytes: int, mode: int, device: str = "", timeout_s: float = 30.0
    ) -> None:
        """Make a file that holds nothing, of that length and mode. After POOL_UNRESPONSIVE it may be made all the same.

        READ_ONLY, FULL, QUOTA_EXCEEDED, TOO_LARGE; PATH_NOT_USABLE where there is one, or its directory is missing.
        """
        ...

    async def make_whole(
        self, path: str, content: bytes, *, temporary: str, device: str = "", timeout_s: float = 30.0
    ) -> bool:
        """Make a file, and the folder that it is in, so that nobody sees less than all of it; False: one is there.

        `device` is that of the folder above.
        `temporary` is the name that it has in that folder meanwhile. After POOL_UNRESPONSIVE it may be made all the
        same. READ_ONLY, FULL, QUOTA_EXCEEDED, PATH_NOT_USABLE.
        """
        ...

    async def date_anew(self, path: str, *, device: str = "", timeout_s: float = 5.0) -> bool:
        """Give a file the present time, by the clock of who keeps it; False: it is missing. READ_ONLY, UNMOUNTED."""
        ...

    async def lowest_inodes(
        self, path: str, *, count: int, most_names: int, omitted: Sequence[str], timeout_s: float = 20.0
    ) -> Sequence[tuple[bytes, int]] | None:
        """Name and inode of the files in a directory with the lowest inodes, the lowest first.

        Names that begin with one of `omitted` do not count. More than `most_names` names: TOO_LARGE.
        """
        ...

    async def unlink_if(self, path: str, *, inode: int, device: str = "", timeout_s: float = 5.0) -> bool:
        """Remove a file only if it still is that inode; the answer says whether it did."""
        ...

    async def publish(
        self, path: str, *, name: str, size_bytes: int | None, mode: int, timeout_s: float = 30.0
    ) -> int | None:
        """Give a file that is complete the name `name` beside it, where nothing has it yet; its inode, or None.

        It has that length, where stated, before anybody sees it; its old name is gone then, and its mode becomes
        `mode`. None: something has the name.
        """
        ...

    async def give(self, path: str, *, inode: int, user: ShareUser, timeout_s: float = 5.0) -> bool:
        """Change the owner of a file only if it still is that inode; the answer says whether it did."""
        ...

    async def resize_if(
        self, path: str, *, inode: int, size_bytes: int, new_size_bytes: int, device: str = "", timeout_s: float = 30.0
    ) -> bool:
        """Change the length of a file only if it still is that inode, of that length; the answer says whether it did.

        TOO_LARGE, FULL, QUOTA_EXCEEDED, READ_ONLY, STALE, UNMOUNTED, PATH_NOT_USABLE.
        """
        ...

    async def clock_s(self, path: str, *, device: str = "", timeout_s: float = 5.0) -> float:
        """Seconds since the epoch by the clock that dates the files of a folder; a file is made there and removed.

        PATH_NOT_USABLE where none may be made.
        """
        ...
