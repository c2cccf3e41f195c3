"""What one look at a pool, or at the domains, found to be different from the look before: names, never contents.

Usage (allocation, free space, times) changes by itself all the time, and is told apart from what somebody changed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from itertools import groupby
from operator import attrgetter

from poolfleet_agent.inventory.snapshot import PoolEntry, VolumeRecord
from poolfleet_agent.model.domain_disk import DomainDisk, DomainDisks
from poolfleet_agent.model.pool import Pool, PoolFacts, PoolHealth
from poolfleet_agent.model.volume import VolumeFacts

NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolTouched:
    """What is different of one pool. What of it is there now is in the snapshot, what is not there is gone.

    `itself`: the pool's own record; `whole`: it is new, so all that it has is.
    """

    uuid: str
    itself: bool = False
    itself_usage: bool = False
    whole: bool = False
    volumes: frozenset[str] = NONE
    volumes_usage: frozenset[str] = NONE

    @property
    def has_usage(self) -> bool:
        """Whether usage alone is different of something."""
        return self.itself_usage or bool(self.volumes_usage)

    @property
    def weight(self) -> int:
        """What remembering it takes."""
        return 1 + len(self.volumes) + len(self.volumes_usage)


def touched(before: PoolEntry | None, after: PoolEntry | None) -> PoolTouched | None:
    """Compare two looks at a pool of one UUID; None: nothing is different but that it was looked at again."""
    if before is None or after is None:
        known = after or before
        return PoolTouched(uuid=known.pool.facts.uuid, itself=True, whole=after is not None) if known else None
    lasting = _lasting(before.pool) != _lasting(after.pool)
    usage = not lasting and _USAGE(before.pool) != _USAGE(after.pool)
    volumes, volumes_usage = _volumes(before.volumes, after.volumes)
    if not (lasting or usage or volumes or volumes_usage):
        return None
    return PoolTouched(
        uuid=after.pool.facts.uuid,
        itself=lasting,
        itself_usage=usage,
        volumes=frozenset(volumes),
        volumes_usage=frozenset(volumes_usage),
    )


def touched_domains(before: DomainDisks | None, after: DomainDisks) -> frozenset[str]:
    """The UUIDs of the domains whose disks are different."""
    had, has = disks_by_domain(before), disks_by_domain(after)
    return frozenset(domain for domain in had.keys() | has.keys() if had.get(domain) != has.get(domain))


def disks_by_domain(disks: DomainDisks | None) -> dict[str, tuple[DomainDisk, ...]]:
    """The disks of each domain, by its UUID."""
    in_order = sorted(disks.disks, key=lambda disk: disk.reference.domain_uuid) if disks is not None else []
    return {uuid: tuple(group) for uuid, group in groupby(in_order, key=lambda disk: disk.reference.domain_uuid)}


def _volumes(before: Mapping[str, VolumeRecord], after: Mapping[str, VolumeRecord]) -> tuple[list[str], list[str]]:
    """The names of the volumes that are different, and of those that only their usage is different of."""
    if before is after:
        return [], []
    changed = [name for name in before if name not in after]
    usage: list[str] = []
    for name, record in after.items():
        known = before.get(name)
        if known is record or (known is not None and known.encoded == record.encoded):
            continue
        (usage if known is not None and _same_volume(known, record) else changed).append(name)
    return changed, usage


def _same_volume(one: VolumeRecord, other: VolumeRecord) -> bool:
    return one.etag == other.etag and _LASTING_VOLUME(one.facts) == _LASTING_VOLUME(other.facts)


def _all_but(kind: type[Pool | PoolFacts | PoolHealth | VolumeFacts], *names: str) -> Callable[[object], object]:
    return attrgetter(*(field.name for field in fields(kind) if field.name not in names))


_LASTING_VOLUME = _all_but(VolumeFacts, "allocation_bytes", "physical_bytes", "modified_at_s", "xml")
_LASTING_FACTS = _all_but(PoolFacts, "capacity_bytes", "allocation_bytes", "available_bytes", "xml", "inactive_xml")
_LASTING_HEALTH = _all_but(PoolHealth, "probed_at_s")
_LASTING_POOL = _all_but(Pool, "as_of_s", "volumes_as_of_s", "health", "facts")
_USAGE = attrgetter("facts.capacity_bytes", "facts.allocation_bytes", "facts.available_bytes")


def _lasting(pool: Pool) -> object:
    health = _LASTING_HEALTH(pool.health) if pool.health is not None else None
    return _LASTING_POOL(pool), _LASTING_FACTS(pool.facts), health
