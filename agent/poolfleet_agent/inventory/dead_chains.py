"""Volumes of any pool whose backing chain reaches a share that does not answer: libvirt would hang on each of them."""

from collections.abc import Collection, Mapping

from poolfleet_agent.inventory.links import Links, backing_path
from poolfleet_agent.inventory.snapshot import PoolEntry, VolumeRecord
from poolfleet_agent.model.allowed_paths import is_within
from poolfleet_agent.model.compare import clean_path
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.quarantine import RETRY_S

LONGEST_CHAIN = 200


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


def chain_is_dead(pool: str, volume: str, path: str) -> ModelError:
    """The error for a volume that lies on a path that does not answer."""
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
