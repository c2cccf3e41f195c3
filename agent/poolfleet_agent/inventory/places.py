"""Where a path of the host lies among its pools: by their targets, by their volumes' devices, and through symbolic
links and other mounts of the same file system. One path may lie in several pools, and then it counts for each.

What lies on servers is compared by name alone, its name on the server too: to look at it could hang.
"""

import posixpath
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass

from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.allowed_paths import is_within
from poolfleet_agent.model.compare import clean_path
from poolfleet_agent.model.errors import ModelError
from poolfleet_agent.model.mount_table import MountEntry, MountTable
from poolfleet_agent.model.pool import DIRECTORY_POOL_TYPES
from poolfleet_agent.model.ports import Files

_FILE_TYPES = DIRECTORY_POOL_TYPES | {"vstorage"}
"""Pool types whose volumes are files; those of others are devices, or have no path at all."""

_OWN_FOLDER_TYPES = _FILE_TYPES | {"logical", "zfs"}
"""Pool types in whose target lies nothing but their volumes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A pool, and a volume of it; empty: deeper below its target, where no volumes are."""

    pool: str
    volume: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Where a path lies: with symbolic links resolved (as it is, where it is not looked at), and its places."""

    path: str
    places: tuple[Place, ...]
    local: bool


class Places:
    """The pools of one snapshot, looked at once."""

    def __init__(self, pools: Mapping[str, PoolEntry], files: Files, mounts: MountTable) -> None:
        """Nothing is looked at yet. `mounts`: those of the host."""
        self._pools = pools
        self._files = files
        self._mounts = mounts
        self._network_targets = [entry.target for entry in mounts.network()]
        self._mount_of: dict[str, MountEntry | None] = {}
        self._targets: list[tuple[str, str]] = []
        self._on_servers: list[str] = []
        self._devices: dict[str, int] = {}
        self._by_path: dict[str, list[Place]] = {}
        for name, entry in pools.items():
            definition = entry.pool.definition
            if definition.target_path and definition.type in _OWN_FOLDER_TYPES:
                self._targets.append((clean_path(definition.target_path), name))
                if entry.pool.server is not None:
                    self._on_servers.append(clean_path(definition.target_path))
            if definition.type not in DIRECTORY_POOL_TYPES:
                for record in entry.volumes.values():
                    place = Place(pool=name, volume=record.facts.name)
                    self._by_path.setdefault(record.facts.path, []).append(place)

    async def look(self) -> list[str]:
        """Learn what local targets and devices really are; the answer is what cannot be looked at, a sentence each."""
        trouble = []
        for name, entry in self._pools.items():
            try:
                await self._look_at(name, entry)
            except ModelError as error:
                trouble.append(f"pool {name}: {error.message}")
        return trouble

    async def _look_at(self, name: str, entry: PoolEntry) -> None:
        definition = entry.pool.definition
        if definition.type in _FILE_TYPES:
            if entry.pool.server is not None or not definition.target_path:
                return
            if (facts := await self._files.stat(definition.target_path)) is not None:
                self._devices[name] = facts.device
                self._targets.append((await self._files.real_path(definition.target_path), name))
        else:
            for record in entry.volumes.values():
                real = await self._files.real_path(record.facts.path) if record.facts.path.startswith("/") else ""
                self._by_path.setdefault(real, []).append(Place(pool=name, volume=record.facts.name))

    def of_volume(self, place: Place) -> str:
        """Path of a volume, whether libvirt has seen it or not; empty where that cannot be told."""
        entry = self._pools.get(place.pool)
        if entry is None:
            return ""
        if record := entry.volumes.get(place.volume):
            return record.facts.path
        definition = entry.pool.definition
        own_folder = definition.target_path and definition.type in _OWN_FOLDER_TYPES
        return posixpath.join(definition.target_path or "", place.volume) if own_folder else ""

    async def find(self, path: str) -> Found:
        """Find an absolute path in all pools that have it; raises ModelError where it cannot be looked at."""
        named = clean_path(path)
        if any(is_within(named, target) for target in self._on_servers):
            return Found(path=named, places=self.by_name(named), local=False)
        # With the links of `path` itself: `a/../b` is another file where `a` is a link.
        real = await self._files.real_path(path)
        places = dict.fromkeys((*self.by_name(named), *self.by_name(real)))
        local = not any(is_within(real, target) for target in self._on_servers)
        if local:
            places |= dict.fromkeys([place async for place in self._mounted_elsewhere(real)])
        return Found(path=real, places=tuple(places), local=local)

    def by_name(self, path: str) -> tuple[Place, ...]:
        """Find an absolute path by its name alone, and by that which it has on a server."""
        named = clean_path(path)
        return tuple(dict.fromkeys((*self._named(named), *self._shared(named))))

    def _named(self, path: str) -> Iterator[Place]:
        yield from self._by_path.get(path, ())
        for target, pool in self._targets:
            if path != target and is_within(path, target):
                yield _below(pool, path, target)

    def _shared(self, path: str) -> Iterator[Place]:
        """The volumes that are the same file of a server through another mount of the host."""
        mount = self._network_mount(posixpath.dirname(path))
        if mount is None:
            return
        for target, pool in self._targets:
            other = self._network_mount(target)
            if other is not None and other is not mount and other.same_server(mount):
                file, folder = mount.exported(path), other.exported(target)
                if file != folder and is_within(file, folder):
                    yield _below(pool, file, folder)

    def _network_mount(self, folder: str) -> MountEntry | None:
        """The network mount that a folder lies on."""
        if folder not in self._mount_of:
            near = any(is_within(folder, target) for target in self._network_targets)
            found = self._mounts.holding(folder) if near else None
            self._mount_of[folder] = found if found is not None and found.network else None
        return self._mount_of[folder]

    async def _mounted_elsewhere(self, path: str) -> AsyncIterator[Place]:
        """The volumes that are the same file through another mount: same name, device and inode."""
        facts = await self._files.stat(path)
        if facts is None:
            return
        name = posixpath.basename(path)
        for pool, device in self._devices.items():
            record = self._pools[pool].volumes.get(name)
            if device == facts.device and record is not None:
                other = await self._files.stat(record.facts.path)
                if other is not None and other.inode == facts.inode:
                    yield Place(pool=pool, volume=name)


def _below(pool: str, path: str, target: str) -> Place:
    name = posixpath.relpath(path, target)
    return Place(pool=pool, volume=name if "/" not in name and is_addressable(name) else "")


def is_addressable(name: str) -> bool:
    """Whether a file's name can be a volume's: libvirt-python knows none that is not UTF-8."""
    return not any("\ud800" <= char <= "\udfff" for char in name)
