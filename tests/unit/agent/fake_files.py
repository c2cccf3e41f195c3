"""Files in memory, as small as their port allows."""

from __future__ import annotations

from collections.abc import Sequence

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.ports import FileFacts, FileKind, FileSystemFacts


class FakeFiles:
    """A file system on which nothing is but what is `kept`, by path, and no path is a link but those below `links`.

    Links that lead onto a mount in `dead` are not followed.
    """

    def __init__(self) -> None:
        self.links: dict[str, str] = {}
        self.dead: set[str] = set()
        self.kept: dict[str, bytes] = {}

    async def stat(self, path: str, *, timeout_s: float = 5.0) -> FileFacts | None:
        return await self.lstat(path)

    async def lstat(self, path: str, *, timeout_s: float = 5.0) -> FileFacts | None:
        if path not in self.kept:
            return None
        return FileFacts(
            kind=FileKind.FILE, device=1, inode=hash(path), size_bytes=len(self.kept[path]), allocated_bytes=0,
            mode=0o644, uid=0, gid=0, modified_at_s=1000.0,
        )  # fmt: skip

    async def real_path(self, path: str, *, timeout_s: float = 5.0) -> str:
        for link, target in self.links.items():
            if path.startswith(f"{link}/"):
                if target in self.dead:
                    raise ModelError(Reason.POOL_UNRESPONSIVE, "dead", metadata={"mount": target})
                return target + path.removeprefix(link)
        return path

    async def file_system(self, path: str, *, timeout_s: float = 5.0) -> FileSystemFacts | None:
        return None

    async def names(self, path: str, *, timeout_s: float = 10.0) -> Sequence[bytes]:
        return ()

    async def head(self, path: str, length_bytes: int, *, timeout_s: float = 5.0) -> bytes | None:
        return self.kept.get(path)

    async def make_exclusive(self, path: str, content: bytes, *, unless: str, timeout_s: float = 30.0) -> int | None:
        if path in self.kept or f"{path.rpartition('/')[0]}/{unless}" in self.kept:
            return None
        self.kept[path] = content
        return hash(path)

    async def make_whole(self, path: str, content: bytes, *, temporary: str, timeout_s: float = 30.0) -> bool:
        return self.kept.setdefault(path, content) is content

    async def lowest_inodes(
        self, path: str, *, count: int, most_names: int, omitted: Sequence[str], timeout_s: float = 20.0
    ) -> Sequence[tuple[bytes, int]] | None:
        return None

    async def unlink_if(self, path: str, *, inode: int, timeout_s: float = 5.0) -> bool:
        return self.kept.pop(path, None) is not None
