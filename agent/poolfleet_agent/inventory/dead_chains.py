"""Volumes of any pool whose backing chain reaches a share that does not answer: libvirt would hang on each of them."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from poolfleet_agent.inventory.links import Links, backing_path
from poolfleet_agent.inventory.pool_mounts import PoolMounts
from poolfleet_agent.inventory.registry import Registry
from poolfleet_agent.inventory.snapshot import PoolEntry, VolumeRecord
from poolfleet_agent.model.allowed_paths import is_within
from poolfleet_agent.model.compare import clean_path
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.quarantine import RETRY_S

LONGEST_CHAIN = 200


@dataclass(frozen=True, kw_only=True)
class DeadChains:
    """Those of the host's pools, as they are known now. An error is POOL_UNRESPONSIVE."""

    mounts: PoolMounts
    registry: Registry
    pool_hangs: Callable[[str], bool]
    """Whether libvirt hangs in a call about a pool."""

    def any_of(self, entry: PoolEntry) -> ModelError | None:
        """Why not all volumes of a pool can be looked at; None: they can."""
        return next((_chain_is_dead(entry, *dead) for dead in self._of(entry).items()), None)

    def of_volume(self, entry: PoolEntry, volume: str) -> ModelError | None:
        """Why one volume cannot be looked at; None: it can."""
        path = self._of(entry).get(volume)
        return _chain_is_dead(entry, volume, path) if path else None

    def stuck(self, entry: PoolEntry) -> ModelError | None:
        """Why libvirt cannot be asked about a pool at all: it hangs already, on a backing file; None: it can."""
        return self.any_of(entry) if self.pool_hangs(entry.pool.name) else None

    def died_since_now(self, entry: PoolEntry) -> Callable[[], ModelError | None]:
        """What tells of a volume of a pool that lies on a share which has died since this was asked for."""
        before = self._of(entry)

        def died() -> ModelError | None:
            dead = self._of(entry) if self.mounts.watch.unresponsive() else {}
            return next((_chain_is_dead(entry, name, dead[name]) for name in dead.keys() - before.keys()), None)

        return died

    def _of(self, entry: PoolEntry) -> dict[str, str]:
        pools, targets = self.registry.snapshot.pools, self.mounts.unusable_targets()
        return dead_chains(entry, pools, targets, self.mounts.links)


def dead_chains(
    entry: PoolEntry, pools: Mapping[str, PoolEntry], dead_targets: Collection[str], links: Links
) -> dict[str, str]:
    """The volumes of a pool that lie on something below one of these folders, with the first path that does.

    Paths are followed by their names and by the links that are known: nothing is looked at.
    """
    if not dead_targets:
        return {}
    layered = [record for record in entry.volumes.values() if record.facts.backing_store is not None]
    if not layered:
        return {}
    by_path = {record.facts.path: record for other in pools.values() for record in other.volumes.values()}
    found = {record.facts.name: _first_dead(record, by_path, dead_targets, links) for record in layered}
    return {name: path for name, path in found.items() if path}


def _chain_is_dead(entry: PoolEntry, volume: str, path: str) -> ModelError:
    pool = entry.pool.name
    return ModelError(
        Reason.POOL_UNRESPONSIVE,
        f"volume {pool}/{volume} lies on {path}, whose share does not answer",
        metadata={"pool": pool, "volume": volume, "path": path},
        retry_delay_s=RETRY_S,
    )


def _first_dead(
    record: VolumeRecord, by_path: Mapping[str, VolumeRecord], dead_targets: Collection[str], links: Links
) -> str:
    current: VolumeRecord | None = record
    for _ in range(LONGEST_CHAIN):
        named = backing_path(current) if current is not None else ""
        if not named:
            break
        paths = (clean_path(named), links.follow(named))
        if any(is_within(path, target) for path in paths for target in dead_targets):
            return paths[0]
        current = next((by_path[path] for path in paths if path in by_path), None)
    return ""
