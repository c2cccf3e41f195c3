"""Files in memory, and what makes images in them, as small as their ports allow."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Sequence

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.image import ImageFile, NewImage, SourceImage
from poolfleet_agent.model.ports import FileFacts, FileKind, FileSystemFacts, JobListener, MadeFile, Rights
from poolfleet_agent.model.share_user import ROOT, ShareUser


class FakeFiles:
    """A file system on which nothing is but what is `kept`, by path, and no path is a link but those below `links`.

    Links that lead onto a mount in `dead` are not followed. Whatever is made is dated `clock_now_s` and belongs to
    `makes_as`, whoever makes it; `refusing` fails what is made. What is `private`, its owner only may read.
    `lies_on`: the device below all of it, where that is not what was mounted.
    """

    def __init__(self) -> None:
        self.links: dict[str, str] = {}
        self.dead: set[str] = set()
        self.kept: dict[str, bytes] = {}
        self.pipes: set[str] = set()
        self.dates: dict[str, float] = {}
        self.clock_now_s = 1000.0
        self.makes_as = 0
        self.root_may = Rights(read=True, write=True, search=True)
        self.folders: dict[str, ShareUser] = {}
        self.refusing: ModelError | None = None
        self.acted: list[ShareUser] = []
        self.given: dict[str, ShareUser] = {}
        self.private: dict[str, ShareUser] = {}
        self.holds_bytes: int | None = 0
        self._user = ROOT
        self.lies_on = ""

    def acting_as(self, user: ShareUser) -> FakeFiles:
        self.acted.append(user)
        same = copy.copy(self)
        same._user = user
        return same

    async def stat(self, path: str, *, timeout_s: float = 5.0) -> FileFacts | None:
        return await self.lstat(path)

    async def lstat(self, path: str, *, timeout_s: float = 5.0) -> FileFacts | None:
        if (owner := self.folders.get(path)) is not None:
            return FileFacts(
                kind=FileKind.DIRECTORY, device=1, inode=1, size_bytes=0, allocated_bytes=0, mode=0o755,
                uid=owner.uid, gid=owner.gid, modified_at_s=1000.0,
            )  # fmt: skip
        if path not in self.kept:
            return None
        kind = FileKind.OTHER if path in self.pipes else FileKind.FILE
        return FileFacts(
            kind=kind, device=1, inode=hash(path), size_bytes=len(self.kept[path]), allocated_bytes=0,
            mode=0o644, uid=0, gid=0, modified_at_s=self.dates.get(path, 1000.0),
        )  # fmt: skip

    async def real_path(self, path: str, *, timeout_s: float = 5.0) -> str:
        if path in self.links:
            return self.links[path]
        for link, target in self.links.items():
            if path.startswith(f"{link}/"):
                if target in self.dead:
                    raise ModelError(Reason.POOL_UNRESPONSIVE, "dead", metadata={"mount": target})
                return target + path.removeprefix(link)
        return path

    async def file_system(self, path: str, *, timeout_s: float = 5.0) -> FileSystemFacts | None:
        return None

    async def names(self, path: str, *, timeout_s: float = 10.0) -> Sequence[bytes]:
        return [other.rpartition("/")[2].encode() for other in self.kept if other.rpartition("/")[0] == path]

    async def head(self, path: str, length_bytes: int, *, timeout_s: float = 5.0) -> bytes | None:
        if self.private.get(path, self._user) != self._user:
            raise ModelError(Reason.PATH_NOT_USABLE, "Permission denied", metadata={"errno": "EACCES"})
        return self.kept.get(path)

    async def data_bytes(self, path: str, *, most_pieces: int, timeout_s: float = 30.0) -> int | None:
        return self.holds_bytes if path in self.kept else None

    async def open_first(self, path: str, *, timeout_s: float) -> None:
        return

    async def make_exclusive(
        self, path: str, content: bytes, *, unless: str, device: str = "", timeout_s: float = 30.0
    ) -> MadeFile | None:
        self._prove(device)
        if self.refusing is not None:
            raise self.refusing
        if path in self.kept or f"{path.rpartition('/')[0]}/{unless}" in self.kept:
            return None
        self.kept[path], self.dates[path] = content, self.clock_now_s
        return MadeFile(inode=hash(path), uid=self.makes_as)

    async def make_empty(
        self, path: str, *, size_bytes: int, mode: int, device: str = "", timeout_s: float = 30.0
    ) -> None:
        self._prove(device)
        if self.refusing is not None:
            raise self.refusing
        self.kept[path], self.dates[path] = b"", self.clock_now_s

    async def make_whole(
        self, path: str, content: bytes, *, temporary: str, device: str = "", timeout_s: float = 30.0
    ) -> bool:
        self._prove(device)
        return self.kept.setdefault(path, content) is content

    async def date_anew(self, path: str, *, device: str = "", timeout_s: float = 5.0) -> bool:
        self._prove(device)
        if path not in self.kept:
            return False
        self.dates[path] = self.clock_now_s
        return True

    async def lowest_inodes(
        self, path: str, *, count: int, most_names: int, omitted: Sequence[str], timeout_s: float = 20.0
    ) -> Sequence[tuple[bytes, int]] | None:
        return None

    async def unlink_if(self, path: str, *, inode: int, device: str = "", timeout_s: float = 5.0) -> bool:
        self._prove(device)
        return self.kept.pop(path, None) is not None

    async def publish(
        self, path: str, *, name: str, size_bytes: int | None, mode: int, timeout_s: float = 30.0
    ) -> int | None:
        new = f"{path.rpartition('/')[0]}/{name}"
        if new in self.kept:
            return None
        self.kept[new] = self.kept.pop(path)
        return hash(new)

    async def give(self, path: str, *, inode: int, user: ShareUser, timeout_s: float = 5.0) -> bool:
        self.given[path] = user
        return True

    async def rights(self, path: str, *, timeout_s: float = 5.0) -> Rights:
        return self.root_may

    async def resize_if(
        self, path: str, *, inode: int, size_bytes: int, new_size_bytes: int, device: str = "", timeout_s: float = 30.0
    ) -> bool:
        self._prove(device)
        held = self.kept.get(path)
        if held is None or len(held) != size_bytes:
            return False
        self.kept[path] = held[:new_size_bytes].ljust(new_size_bytes, b"\0")
        return True

    async def clock_s(self, path: str, *, device: str = "", timeout_s: float = 5.0) -> float:
        self._prove(device)
        return self.clock_now_s

    def _prove(self, device: str) -> None:
        if device and self.lies_on and device != self.lies_on:
            raise ModelError(Reason.UNMOUNTED, "another file system", metadata={"errno": "EXDEV"})


class FakeImages:
    """Makes files in FakeFiles; one in `held` waits there, `failing` fails. A copy takes `measured_bytes`."""

    def __init__(self, files: FakeFiles) -> None:
        self.files = files
        self.made: list[tuple[NewImage, ShareUser]] = []
        self.held: asyncio.Event | None = None
        self.failing: ModelError | None = None
        self.measured_bytes = 0
        self.copied: list[tuple[SourceImage, ShareUser]] = []

    async def measure(self, source: SourceImage, *, user: ShareUser, listener: JobListener, timeout_s: float) -> int:
        return self.measured_bytes

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
        self.copied.append((source, user))
        self.files.kept[target.path] = self.files.kept[source.layers[0].path]

    async def create(self, image: NewImage, *, user: ShareUser, listener: JobListener, timeout_s: float) -> None:
        self.made.append((image, user))
        self.files.kept[image.path] = b""
        if self.held is not None:
            await self.held.wait()
        if self.failing is not None:
            raise self.failing


class FakeContents:
    """Does nothing to files; one in `held` waits there, `failing` fails. A wipe has its turn when `busy` is set."""

    def __init__(self) -> None:
        self.allocated: list[tuple[ImageFile, int, ShareUser]] = []
        self.wiped: list[tuple[ImageFile, ShareUser]] = []
        self.busy: asyncio.Event | None = None
        self.held: asyncio.Event | None = None
        self.failing: ModelError | None = None

    async def allocate(
        self, file: ImageFile, size_bytes: int, *, user: ShareUser, listener: JobListener, timeout_s: float
    ) -> None:
        self.allocated.append((file, size_bytes, user))
        await self._work()

    async def wipe(self, file: ImageFile, *, user: ShareUser, listener: JobListener, timeout_s: float) -> None:
        if self.busy is not None:
            listener.waits()
            await self.busy.wait()
            await listener.begins()
        self.wiped.append((file, user))
        await self._work()

    async def _work(self) -> None:
        if self.held is not None:
            await self.held.wait()
        if self.failing is not None:
            raise self.failing
