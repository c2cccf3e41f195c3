"""What the volumes of the host lie on, for who is about to destroy what they may lie on: whoever has just put an image
into a folder has told nobody.

The folders of the host's own pools are looked at now: their names and stamps, and the headers of files that are not as
they were at the last look of the inventory. libvirt is not asked, and nothing is published. What lies on a server is as
of the last look: to list a share is its server's work, and who changes what hosts share has them all asked, by the
fleet. So is what libvirt alone can list.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from poolfleet_agent.inventory.folder_volumes import FolderVolumes
from poolfleet_agent.inventory.links import backing_path
from poolfleet_agent.inventory.pool_mounts import PoolMounts
from poolfleet_agent.inventory.registry import Registry
from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.inventory.turns import Turns


@dataclass(kw_only=True)
class BackingFiles:
    """Those of the pools of the snapshot."""

    folders: FolderVolumes
    registry: Registry
    mounts: PoolMounts

    def __post_init__(self) -> None:
        """Nothing is looked at yet."""
        self._looks: Turns[Mapping[str, str]] = Turns("look at backing files", self._look)

    async def of(self, entry: PoolEntry) -> Mapping[str, str]:
        """Paths of backing files, by the names of the volumes that lie on them; a ModelError where that is not told."""
        return await self._looks.ask(entry.pool.name) if self._own_folder(entry) else _known(entry)

    async def close(self) -> None:
        """End what runs and wait for it."""
        await self._looks.close()

    async def _look(self, pool: str) -> Mapping[str, str]:
        entry = self.registry.snapshot.pools.get(pool)
        if entry is None:
            return {}
        folder = self._own_folder(entry)
        return await self.folders.backing_files(entry, folder) if folder else _known(entry)

    def _own_folder(self, entry: PoolEntry) -> str:
        """Where the volumes of a pool are files of this host; empty: they are not, or their share is not there."""
        definition = entry.pool.definition
        folder, mount = self.mounts.place(definition)
        is_own = entry.pool.active and mount is None and self.mounts.health(definition) is None
        return folder if is_own else ""


def _known(entry: PoolEntry) -> Mapping[str, str]:
    return {name: path for name, record in entry.volumes.items() if (path := backing_path(record))}
