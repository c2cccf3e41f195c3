"""Looks at the folders of pools through workers (model.ports.Folders)."""

import os
import stat
from collections.abc import Callable, Sequence
from typing import Self

from poolfleet_agent.files.answers import KINDS, fields_of
from poolfleet_agent.files.listing import FIELDS_PER_FILE, STAMP
from poolfleet_agent.files.routes import Asker
from poolfleet_agent.model.allowed_paths import is_within
from poolfleet_agent.model.image_facts import ImageFacts
from poolfleet_agent.model.ports import FileKind, FolderPage, SeenFile
from poolfleet_agent.model.share_user import ShareUser


class RoutedFolders:
    """`network_targets`: where network mounts are, which no worker but their own touches."""

    def __init__(self, asker: Asker, network_targets: Callable[[], Sequence[str]]) -> None:
        self._asker = asker
        self._network_targets = network_targets

    def acting_as(self, user: ShareUser) -> Self:
        """The same folders, those on network mounts looked at as that user; local ones as before."""
        return type(self)(self._asker.acting_as(user), self._network_targets)

    async def page(self, folder: str, *, after: bytes, most: int, timeout_s: float = 30.0) -> FolderPage | None:
        """The entries after a name, as its mount's own worker sees them; None where the folder is missing."""
        borders = [os.fsencode(target) for target in self._network_targets() if not is_within(folder, target)]
        question = (b"entries", os.fsencode(folder), after, b"%d" % most, *borders)
        answer = fields_of(folder, await self._asker.ask(*question, timeout_s=timeout_s))
        if answer is None:
            return None
        *fields, next_after = answer
        return FolderPage(stamps=dict(zip(fields[::2], fields[1::2], strict=True)), next_after=next_after)

    async def images(
        self, folder: str, names: Sequence[bytes], *, timeout_s: float = 30.0
    ) -> Sequence[SeenFile | None]:
        """What the files in a folder are, in the order of `names`; None: gone."""
        if not names:
            return []
        fields = fields_of(folder, await self._asker.ask(b"images", os.fsencode(folder), *names, timeout_s=timeout_s))
        if fields is None:
            return [None] * len(names)
        return [_seen(fields[at : at + FIELDS_PER_FILE]) for at in range(0, len(fields), FIELDS_PER_FILE)]

    async def image(self, path: str, *, timeout_s: float = 5.0) -> SeenFile | None:
        """What one file is; None: gone. Its links lead to the worker of what they lead to."""
        fields = fields_of(path, await self._asker.ask(b"images", os.fsencode(path), timeout_s=timeout_s))
        return None if fields is None else _seen(fields)


def _seen(fields: Sequence[bytes]) -> SeenFile | None:
    stamp, settled, size_bytes, *image, label = fields
    if not stamp:
        return None
    mode, uid, gid, _, _, _, blocks, modified_at_ns, _ = STAMP.unpack(stamp)
    kind = KINDS[stat.S_IFMT(mode)]
    return SeenFile(
        stamp=stamp if settled == b"1" else b"",
        kind=kind,
        size_bytes=int(size_bytes),
        allocated_bytes=int(size_bytes) if kind is FileKind.BLOCK else blocks * 512,
        mode=stat.S_IMODE(mode),
        uid=uid,
        gid=gid,
        modified_at_ns=modified_at_ns,
        image=_image(*image) if image[0] else None,
        label=label.decode(errors="replace"),
    )


def _image(
    image_format: bytes,
    capacity: bytes,
    backing: bytes,
    backing_format: bytes,
    compat: bytes,
    features: bytes,
    cluster_size: bytes,
    encryption: bytes,
    content_id: bytes,
) -> ImageFacts:
    scheme, _, payload_bytes = encryption.decode().partition(" ")
    return ImageFacts(
        format=image_format.decode(),
        capacity_bytes=int(capacity) if capacity else None,
        backing=backing,
        backing_format=backing_format.decode(),
        compat=compat.decode(),
        features=tuple(features.decode().split()),
        cluster_size_bytes=int(cluster_size) or None,
        encryption=scheme,
        payload_bytes=int(payload_bytes or 0),
        content_id=content_id.decode(),
    )
