"""Looking at the folder of a pool: its entries, and what the images in it are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from poolfleet_agent.model.image_facts import ImageFacts
from poolfleet_agent.model.ports.files import FileKind
from poolfleet_agent.model.share_user import ShareUser


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderPage:
    """The stamps of files, directories and block devices by their names, in the order of these; links are followed.

    A stamp is another as soon as its file has changed; an empty one: it lies on another mount, and was not touched.
    `next_after` is the name to go on after; empty: that was all.
    """

    stamps: Mapping[bytes, bytes]
    next_after: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenFile:
    """What a file is; `image` None: it may not be read. `stamp` empty: it is to be looked at again in any case."""

    stamp: bytes
    kind: FileKind
    size_bytes: int
    allocated_bytes: int
    mode: int
    uid: int
    gid: int
    modified_at_ns: int
    image: ImageFacts | None
    label: str = ""


class Folders(Protocol):
    """Looks at folders in a child process that may be lost; all but what is missing raises ModelError."""

    def acting_as(self, user: ShareUser) -> Self:
        """The same folders, those on network mounts looked at as that user; local ones as before."""
        ...

    async def page(self, folder: str, *, after: bytes, most: int, timeout_s: float = 30.0) -> FolderPage | None:
        """The entries after a name; None where the folder is missing."""
        ...

    async def images(
        self, folder: str, names: Sequence[bytes], *, timeout_s: float = 30.0
    ) -> Sequence[SeenFile | None]:
        """What the files in a folder are, in the order of `names`; None: gone."""
        ...

    async def image(self, path: str, *, timeout_s: float = 5.0) -> SeenFile | None:
        """What one file is, wherever its links lead; None: gone."""
        ...
