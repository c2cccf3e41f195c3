"""What a host's pools and volumes ought to be: the plainest thing that can be held against a real host.

Volumes belong to a pool's folder, not to the pool: they stay when it is stopped or forgotten. For each request it says
beforehand what may come of it; `allowed` is a set, for where two things are wrong at once either may be told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

SECTOR_BYTES = 512


@dataclass(frozen=True, slots=True)
class Expected:
    """`allowed`: reasons for which it may be refused; none: it succeeds, `changed` or not, and then `happens`.

    `found_at_work`: no check tells beforehand that it fails.
    """

    allowed: frozenset[str] = frozenset()
    found_at_work: bool = False
    changed: bool = True
    happens: Callable[[], None] = lambda: None


@dataclass
class ModelVolume:
    """A volume."""

    format: str
    capacity_bytes: int


@dataclass
class ModelPool:
    """A defined pool."""

    active: bool = False
    autostart: bool = False
    supervised: bool = True


@dataclass
class Model:
    """All of it. `built` are the pools whose folder is there, `folders` what is in each, on a share or not."""

    names: tuple[str, ...]
    pools: dict[str, ModelPool] = field(default_factory=dict)
    built: set[str] = field(default_factory=set)
    folders: dict[str, dict[str, ModelVolume]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Nothing is there."""
        self.folders = {name: {} for name in self.names}

    def define(self, pool: str) -> Expected:
        if pool in self.pools:
            return Expected(changed=False)
        return Expected(happens=lambda: self.pools.__setitem__(pool, ModelPool()))

    def undefine(self, pool: str, *, allow_missing: bool) -> Expected:
        if pool not in self.pools:
            return Expected(changed=False) if allow_missing else _refused("POOL_NOT_FOUND")
        if self.pools[pool].active:
            return _refused("POOL_ACTIVE")
        return Expected(happens=lambda: self.pools.__delitem__(pool))

    def build(self, pool: str) -> Expected:
        if pool not in self.pools:
            return _refused("POOL_NOT_FOUND")
        if self.pools[pool].active:
            return _refused("POOL_ACTIVE")
        return Expected(happens=lambda: self.built.add(pool))

    def start(self, pool: str) -> Expected:
        if pool not in self.pools:
            return _refused("POOL_NOT_FOUND")
        if self.pools[pool].active:
            return Expected(changed=False)
        if pool not in self.built:
            return Expected(allowed=frozenset({"PATH_NOT_USABLE", "MOUNT_FAILED"}), found_at_work=True)
        return Expected(happens=lambda: setattr(self.pools[pool], "active", True))

    def stop(self, pool: str) -> Expected:
        if pool not in self.pools:
            return _refused("POOL_NOT_FOUND")
        if not self.pools[pool].active:
            return Expected(changed=False)
        return Expected(happens=lambda: setattr(self.pools[pool], "active", False))

    def refresh(self, pool: str) -> Expected:
        return self._needs_active(pool) or Expected()

    def update(self, pool: str, name: str, *, value: bool) -> Expected:
        if pool not in self.pools:
            return _refused("POOL_NOT_FOUND")
        known = self.pools[pool]
        return Expected(changed=getattr(known, name) != value, happens=lambda: setattr(known, name, value))

    def create(self, pool: str, volume: str, wanted: ModelVolume) -> Expected:
        if refusal := self._needs_active(pool):
            return refusal
        if (there := self.folders[pool].get(volume)) is not None:
            return Expected(changed=False) if there == wanted else _refused("VOLUME_EXISTS")
        return Expected(happens=lambda: self.folders[pool].__setitem__(volume, wanted))

    def clone(self, pool: str, volume: str, target_pool: str, name: str, wanted_format: str) -> Expected:
        refusals = [self._needs_volume(pool, volume), self._needs_active(target_pool)]
        if allowed := frozenset[str]().union(*(refusal.allowed for refusal in refusals if refusal)):
            return Expected(allowed=allowed)
        source = self.folders[pool][volume]
        return self.create(target_pool, name, ModelVolume(wanted_format, source.capacity_bytes))

    def resize(self, pool: str, volume: str, capacity_bytes: int, *, allow_shrink: bool) -> Expected:
        if refusal := self._needs_volume(pool, volume):
            return refusal
        known = self.folders[pool][volume]
        if capacity_bytes == known.capacity_bytes:
            return Expected(changed=False)
        if capacity_bytes < known.capacity_bytes and not allow_shrink:
            return _refused("WOULD_SHRINK")
        return Expected(happens=lambda: setattr(known, "capacity_bytes", capacity_bytes))

    def wipe(self, pool: str, volume: str, file_bytes: int) -> Expected:
        """`file_bytes`: how long the file is, which is all that is left of an image afterwards."""
        if refusal := self._needs_volume(pool, volume):
            return refusal
        return Expected(happens=lambda: self.folders[pool].__setitem__(volume, ModelVolume("raw", file_bytes)))

    def delete(self, pool: str, volume: str, *, allow_missing: bool) -> Expected:
        if refusal := self._needs_active(pool):
            # Of a pool that is not there no volume is missing: that is not what allow_missing says.
            return refusal
        if volume not in self.folders[pool]:
            return Expected(changed=False) if allow_missing else _refused("VOLUME_NOT_FOUND")
        return Expected(happens=lambda: self.folders[pool].__delitem__(volume))

    def _needs_active(self, pool: str) -> Expected | None:
        if pool not in self.pools:
            return _refused("POOL_NOT_FOUND")
        return None if self.pools[pool].active else _refused("POOL_NOT_ACTIVE")

    def _needs_volume(self, pool: str, volume: str) -> Expected | None:
        if refusal := self._needs_active(pool):
            return refusal
        return None if volume in self.folders[pool] else _refused("VOLUME_NOT_FOUND")


def _refused(*reasons: str) -> Expected:
    return Expected(allowed=frozenset(reasons))
