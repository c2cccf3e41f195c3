"""What is new about a pool between two looks at it: its definition and its volumes, apart from what they merely use.

And of which domains the disks are new.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

from poolfleet_agent.inventory.snapshot import PoolEntry, VolumeRecord
from poolfleet_agent.model.domain_disk import DomainDisks
from poolfleet_agent.model.pool import Pool, PoolFacts, PoolHealth
from poolfleet_agent.model.volume import VolumeFacts

_USAGE_OF_POOL = {"allocation_bytes", "available_bytes"}
_USAGE_OF_VOLUME = {"allocation_bytes", "physical_bytes", "modified_at_s", "content_id"}
_DOCUMENTS = {"xml", "inactive_xml"}
"""They tell of usage too; all else in them is in other fields, or in the etag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolChange:
    """Names of volumes, in their order. `itself`: more than usage is new about the pool; `used`: only usage is.

    `new`: it was not there before, and so is all that it has.
    """

    pool: str
    pool_uuid: str
    itself: bool
    new: bool = False
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    used: tuple[str, ...] = ()
    pool_used: bool = False

    @property
    def lasting(self) -> bool:
        """Whether more than usage is new."""
        return bool(self.itself or self.added or self.changed or self.removed)

    @property
    def usage(self) -> bool:
        """Whether usage is new: allocation, free space, when a file was written."""
        return bool(self.pool_used or self.used)


def pool_change(before: PoolEntry | None, after: PoolEntry) -> PoolChange:
    """Compare two looks at a pool; `before` None: it is new."""
    name, uuid = after.pool.name, after.pool.facts.uuid
    if before is None:
        return PoolChange(pool=name, pool_uuid=uuid, itself=True, new=True, added=tuple(after.volumes))
    itself = _lasting_of_pool(before.pool) != _lasting_of_pool(after.pool)
    pool_used = _pool_usage(before.pool.facts) != _pool_usage(after.pool.facts)
    if before.volumes is after.volumes:
        return PoolChange(pool=name, pool_uuid=uuid, itself=itself, pool_used=pool_used)
    added: list[str] = []
    changed: list[str] = []
    used: list[str] = []
    known_of = before.volumes.get
    for volume, record in after.volumes.items():
        known = known_of(volume)
        if known is record:
            continue  # as nearly all are
        if known is None:
            added.append(volume)
        elif known.encoded != record.encoded:
            (used if _only_usage(known, record) else changed).append(volume)
    return PoolChange(
        pool=name,
        pool_uuid=uuid,
        itself=itself,
        added=tuple(added),
        changed=tuple(changed),
        removed=tuple(sorted(before.volumes.keys() - after.volumes.keys())),
        used=tuple(used),
        pool_used=pool_used,
    )


def pool_gone(before: PoolEntry) -> PoolChange:
    """What is new about a pool that is no more."""
    return PoolChange(pool=before.pool.name, pool_uuid=before.pool.facts.uuid, itself=True)


def domains_changed(before: DomainDisks | None, after: DomainDisks) -> frozenset[str]:
    """The UUIDs of the domains whose disks are different."""
    had, has = (before.by_domain() if before is not None else {}), after.by_domain()
    return frozenset(domain for domain in had.keys() | has.keys() if had.get(domain) != has.get(domain))


def _but(kind: type, *others: str) -> Callable[[Any], object]:
    return attrgetter(*({field.name for field in fields(kind)} - set(others)))


_pool_usage = attrgetter(*_USAGE_OF_POOL)
_lasting = _but(Pool, "facts", "health", "as_of_s", "volumes_as_of_s")
_lasting_facts = _but(PoolFacts, *_USAGE_OF_POOL, *_DOCUMENTS)
_lasting_health = _but(PoolHealth, "probed_at_s")
_lasting_of_volume = _but(VolumeFacts, *_USAGE_OF_VOLUME)


def _lasting_of_pool(pool: Pool) -> object:
    return _lasting(pool), _lasting_facts(pool.facts), pool.health and _lasting_health(pool.health)


def _only_usage(before: VolumeRecord, after: VolumeRecord) -> bool:
    return _lasting_of_volume(before.facts) == _lasting_of_volume(after.facts)
