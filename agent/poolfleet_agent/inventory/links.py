"""Where backing files are behind symbolic links, remembered for the time when that cannot be looked at."""

import asyncio
import posixpath
from collections.abc import Iterable
from dataclasses import dataclass, field

from poolfleet_agent.inventory.snapshot import VolumeRecord
from poolfleet_agent.model.compare import clean_path
from poolfleet_agent.model.errors import ModelError
from poolfleet_agent.model.ports import Files, MountWatch

ASKED_AT_ONCE = 16


@dataclass(kw_only=True)
class Links:
    """Looks only where the host has network mounts: without any, no chain can reach a dead one."""

    files: Files
    watch: MountWatch
    _real: dict[str, str] = field(default_factory=dict)
    """Only of paths that lead elsewhere."""

    async def learn(self, volumes: Iterable[VolumeRecord]) -> None:
        """Find out where the backing files of volumes are; what cannot be told stays as it was known."""
        if not self.watch.table().network():
            return
        turns = asyncio.Semaphore(ASKED_AT_ONCE)

        async def one(path: str) -> None:
            async with turns:
                await self._learn(path)

        paths = {path for record in volumes if (path := backing_path(record))}
        await asyncio.gather(*(one(path) for path in sorted(paths) if self.watch.holding(clean_path(path)) is None))

    def follow(self, path: str) -> str:
        """Where a path leads, as far as that was learnt; below a mount that did not answer then: that mount."""
        return self._real.get(path) or clean_path(path)

    async def _learn(self, path: str) -> None:
        try:
            real = await self.files.real_path(path)
        except ModelError as error:
            # It leads onto a mount that does not answer: that is all there is to know.
            if mount := error.metadata.get("mount"):
                self._real.setdefault(path, mount)
            return
        if real != clean_path(path):
            self._real[path] = real
        else:
            self._real.pop(path, None)


def backing_path(record: VolumeRecord) -> str:
    """Where a volume's backing file is, links and all; empty: it has none."""
    store = record.facts.backing_store
    return posixpath.join(posixpath.dirname(record.facts.path), store.path) if store is not None else ""
