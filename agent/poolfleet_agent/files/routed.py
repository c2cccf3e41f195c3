"""Looks at paths through workers (model.ports.Files): numbers and errno into the model's values and errors."""

import errno
import os
import stat
from collections.abc import Sequence
from typing import Self

from poolfleet_agent.files.answers import KINDS, fields_of
from poolfleet_agent.files.channel import shown
from poolfleet_agent.files.routes import Asker
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.ports import FileFacts, FileKind, FileSystemFacts, MadeFile, Rights
from poolfleet_agent.model.share_user import ShareUser


class RoutedFiles:
    """Paths are text, with surrogates for bytes that are not UTF-8.

    What can not be looked at raises PATH_NOT_USABLE or STALE; what does not answer, POOL_UNRESPONSIVE.
    """

    def __init__(self, asker: Asker) -> None:
        self._asker = asker

    def acting_as(self, user: ShareUser) -> Self:
        """The same files, those on network mounts touched as that user; local ones as before."""
        return type(self)(self._asker.acting_as(user))

    async def stat(self, path: str, *, timeout_s: float = 5.0) -> FileFacts | None:
        """Follow symbolic links."""
        return _facts(fields_of(path, await self._asker.ask(b"stat", os.fsencode(path), timeout_s=timeout_s)))

    async def lstat(self, path: str, *, timeout_s: float = 5.0) -> FileFacts | None:
        """Do not follow the last symbolic link."""
        return _facts(fields_of(path, await self._asker.ask(b"lstat", os.fsencode(path), timeout_s=timeout_s)))

    async def real_path(self, path: str, *, timeout_s: float = 5.0) -> str:
        """Resolve every symbolic link, as far as the path exists."""
        found = fields_of(path, await self._asker.ask(b"real_path", os.fsencode(path), timeout_s=timeout_s))
        return path if found is None else os.fsdecode(found[0])

    async def file_system(self, path: str, *, timeout_s: float = 5.0) -> FileSystemFacts | None:
        """The file system that a path lies on; its id is stable over boots where the file system has a UUID."""
        found = fields_of(path, await self._asker.ask(b"file_system", os.fsencode(path), timeout_s=timeout_s))
        if found is None:
            return None
        capacity_bytes, available_bytes, read_only = map(int, found[1:])
        return FileSystemFacts(
            id=found[0].decode(),
            capacity_bytes=capacity_bytes,
            available_bytes=available_bytes,
            read_only=bool(read_only),
        )

    async def names(self, path: str, *, timeout_s: float = 10.0) -> Sequence[bytes]:
        """Names in a directory, as bytes, unordered; empty where it is missing. Too many for an answer: TOO_LARGE."""
        return fields_of(path, await self._asker.ask(b"names", os.fsencode(path), timeout_s=timeout_s)) or ()

    async def first_name(self, path: str, *, timeout_s: float = 5.0) -> bytes | None:
        """One name in a directory, which is opened anew; None: it is empty or missing."""
        found = fields_of(path, await self._asker.ask(b"first_name", os.fsencode(path), timeout_s=timeout_s))
        return found[0] if found else None

    async def rights(self, path: str, *, timeout_s: float = 5.0) -> Rights:
        """What who is asked acts as may do there; nothing where the path is missing."""
        found = fields_of(path, await self._asker.ask(b"rights", os.fsencode(path), timeout_s=timeout_s)) or (b"0",) * 3
        read, write, search = (field == b"1" for field in found)
        return Rights(read=read, write=write, search=search)

    async def head(self, path: str, length_bytes: int, *, timeout_s: float = 5.0) -> bytes | None:
        """The beginning of a regular file, at most 1 MiB of it."""
        question = (b"head", os.fsencode(path), b"%d" % length_bytes)
        found = fields_of(path, await self._asker.ask(*question, timeout_s=timeout_s))
        return None if found is None else found[0]

    async def data_bytes(self, path: str, *, most_pieces: int, timeout_s: float = 30.0) -> int | None:
        """How much a regular file holds beside its holes; None: it is missing, or in more pieces than that."""
        question = (b"data_bytes", os.fsencode(path), b"%d" % most_pieces)
        found = fields_of(path, await self._asker.ask(*question, timeout_s=timeout_s))
        return int(found[0]) if found else None

    async def open_first(self, path: str, *, timeout_s: float) -> None:
        """Open one of a directory's files for reading, and close it; without files, and missing, there is nothing."""
        fields_of(path, await self._asker.ask(b"open_first", os.fsencode(path), timeout_s=timeout_s))

    async def make_exclusive(
        self, path: str, content: bytes, *, unless: str, device: str = "", timeout_s: float = 30.0
    ) -> MadeFile | None:
        """Make a file where there is neither it nor its neighbour `unless`; None: one of them is there.

        UNMOUNTED where its directory is not on `device` (any more); READ_ONLY, FULL, QUOTA_EXCEEDED; PATH_NOT_USABLE
        where the directory is missing or may not be written in.
        """
        question = (b"make_exclusive", os.fsencode(path), os.fsencode(unless), content, device.encode())
        made = _made(path, await self._asker.ask_once(*question, timeout_s=timeout_s))
        if made is None:
            return None
        inode, uid = map(int, made)
        return MadeFile(inode=inode, uid=uid)

    async def make_empty(
        self, path: str, *, size_bytes: int, mode: int, device: str = "", timeout_s: float = 30.0
    ) -> None:
        """Make a file that holds nothing, of that length; as make_exclusive, but PATH_NOT_USABLE where there is one."""
        question = (b"make_empty", os.fsencode(path), b"%d" % size_bytes, b"%d" % mode, device.encode())
        _needed(path, await self._asker.ask_once(*question, timeout_s=timeout_s))

    async def make_whole(
        self, path: str, content: bytes, *, temporary: str, device: str = "", timeout_s: float = 30.0
    ) -> bool:
        """Make a file and its folder; False: one is there. READ_ONLY, FULL, QUOTA_EXCEEDED, PATH_NOT_USABLE."""
        question = (b"make_whole", os.fsencode(path), content, os.fsencode(temporary), device.encode())
        return _made(path, await self._asker.ask_once(*question, timeout_s=timeout_s)) is not None

    async def date_anew(self, path: str, *, device: str = "", timeout_s: float = 5.0) -> bool:
        """Give a file the present time; False: it is missing. UNMOUNTED, READ_ONLY, PATH_NOT_USABLE."""
        question = (b"date_anew", os.fsencode(path), device.encode())
        return _did(path, await self._asker.ask_once(*question, timeout_s=timeout_s))

    async def lowest_inodes(
        self, path: str, *, count: int, most_names: int, omitted: Sequence[str], timeout_s: float = 20.0
    ) -> Sequence[tuple[bytes, int]] | None:
        """Name and inode of the files with the lowest inodes, the lowest first; None where the directory is missing."""
        numbers = (b"%d" % count, b"%d" % most_names)
        question = (b"lowest_inodes", os.fsencode(path), *numbers, os.fsencode("/".join(omitted)))
        found = fields_of(path, await self._asker.ask(*question, timeout_s=timeout_s))
        if found is None:
            return None
        return [(name, int(inode)) for name, inode in zip(found[::2], found[1::2], strict=True)]

    async def unlink_if(self, path: str, *, inode: int, device: str = "", timeout_s: float = 5.0) -> bool:
        """Remove a file only if it still is that inode; the answer says whether it did."""
        question = (b"unlink_if", os.fsencode(path), b"%d" % inode, device.encode())
        return _did(path, await self._asker.ask_once(*question, timeout_s=timeout_s))

    async def publish(
        self, path: str, *, name: str, size_bytes: int | None, mode: int, timeout_s: float = 30.0
    ) -> int | None:
        """Give a file that is complete the name `name` beside it, where nothing has it yet; its inode, or None."""
        size = b"" if size_bytes is None else b"%d" % size_bytes
        question = (b"publish", os.fsencode(path), os.fsencode(name), size, b"%d" % mode)
        made = _made(path, await self._asker.ask_once(*question, timeout_s=timeout_s))
        return None if made is None else int(made[0])

    async def give(self, path: str, *, inode: int, user: ShareUser, timeout_s: float = 5.0) -> bool:
        """Change the owner of a file only if it still is that inode; the answer says whether it did."""
        question = (b"give", os.fsencode(path), b"%d" % inode, b"%d" % user.uid, b"%d" % user.gid)
        return _did(path, await self._asker.ask_once(*question, timeout_s=timeout_s))

    async def resize_if(
        self, path: str, *, inode: int, size_bytes: int, new_size_bytes: int, device: str = "", timeout_s: float = 30.0
    ) -> bool:
        """Change the length of a file only if it still is that inode, of that length; True: it did."""
        sizes = (b"%d" % size_bytes, b"%d" % new_size_bytes)
        question = (b"resize_if", os.fsencode(path), b"%d" % inode, *sizes, device.encode())
        return _did(path, await self._asker.ask_once(*question, timeout_s=timeout_s))

    async def clock_s(self, path: str, *, device: str = "", timeout_s: float = 5.0) -> float:
        """Seconds since the epoch by the clock that dates the files of a folder."""
        answer = await self._asker.ask_once(b"clock", os.fsencode(path), device.encode(), timeout_s=timeout_s)
        return int(_needed(path, answer)[0]) / 1_000_000_000


def _made(path: str, answer: Sequence[bytes]) -> Sequence[bytes] | None:
    """As _needed; None: there is one already."""
    return None if int(answer[0]) == errno.EEXIST else _needed(path, answer)


def _did(path: str, answer: Sequence[bytes]) -> bool:
    """Whether it was done; False too where there is nothing."""
    found = fields_of(path, answer)
    return found is not None and found[0] == b"1"


def _needed(path: str, answer: Sequence[bytes]) -> Sequence[bytes]:
    if (found := fields_of(path, answer)) is None:
        name = shown(os.fsencode(path))
        raise ModelError(Reason.PATH_NOT_USABLE, f"{name}: it, or its directory, is missing", metadata={"path": name})
    return found


def _facts(found: Sequence[bytes] | None) -> FileFacts | None:
    if found is None:
        return None
    mode, device, inode, size_bytes, allocated_bytes, uid, gid, modified_at_ns = map(int, found)
    return FileFacts(
        kind=KINDS.get(stat.S_IFMT(mode), FileKind.OTHER),
        device=device,
        inode=inode,
        size_bytes=size_bytes,
        allocated_bytes=allocated_bytes,
        mode=stat.S_IMODE(mode),
        uid=uid,
        gid=gid,
        modified_at_s=modified_at_ns / 1_000_000_000,
    )
