"""Folders in memory, as small as their port allows: in each pool's, the files of the volumes that it has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from poolfleet_agent.model.image_facts import ImageFacts
from poolfleet_agent.model.ports import FileKind, FolderPage, SeenFile
from poolfleet_agent.model.share_user import ShareUser
from poolfleet_agent.model.volume import BackingStore, VolumeFacts


class FakeFolders:
    """The folders of the hypervisor's pools, in which are the files of its volumes; a look is a call of its own."""

    def __init__(self, hypervisor: Any) -> None:
        self._hypervisor = hypervisor

    def acting_as(self, user: ShareUser) -> FakeFolders:
        return self

    async def page(self, folder: str, *, after: bytes, most: int, timeout_s: float = 30.0) -> FolderPage | None:
        if (pool := await self._pool(folder)) is None:
            return None
        stamps = {name.encode(): _stamp(facts) for name, facts in sorted(self._hypervisor.volumes[pool].items())}
        await self._hypervisor._answer(f"look_at_folder {pool}", stamps)
        return FolderPage(stamps=stamps, next_after=b"")

    async def images(
        self, folder: str, names: Sequence[bytes], *, timeout_s: float = 30.0
    ) -> Sequence[SeenFile | None]:
        return [await self.image(f"{folder}/{name.decode()}") for name in names]

    async def image(self, path: str, *, timeout_s: float = 5.0) -> SeenFile | None:
        folder, _, name = path.rpartition("/")
        pool = await self._pool(folder)
        facts = self._hypervisor.volumes[pool].get(name) if pool is not None else None
        return _seen(facts) if facts is not None else None

    async def _pool(self, folder: str) -> str | None:
        for name, facts in self._hypervisor.pools.items():
            target = facts.definition.target_path or ""
            if folder in {target, await self._hypervisor.files.real_path(target)}:
                return str(name)
        return None


def _stamp(volume: VolumeFacts) -> bytes:
    return repr(volume).encode()


def _seen(volume: VolumeFacts) -> SeenFile:
    backing = volume.backing_store or BackingStore(path="")
    return SeenFile(
        stamp=_stamp(volume),
        kind=FileKind.DIRECTORY if volume.type == "dir" else FileKind.FILE,
        size_bytes=volume.physical_bytes or 0,
        allocated_bytes=volume.allocation_bytes or 0,
        mode=0o600,
        uid=0,
        gid=0,
        modified_at_ns=1000 * 1_000_000_000,
        image=ImageFacts(
            volume.format,
            volume.capacity_bytes,
            backing=backing.path.encode(),
            backing_format=backing.format,
            encryption=volume.encryption,
        ),
    )
