"""From what adapters say of one pool to its entry in the snapshot. Pure, so that a look is easy to reason about."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from poolfleet_agent.inventory.snapshot import PoolEntry, VolumeRecord
from poolfleet_agent.model.compare import pending_fields
from poolfleet_agent.model.etag import pool_etag, volume_etag
from poolfleet_agent.model.pool import HealthStatus, MountOwner, Pool, PoolFacts, PoolHealth, Storage
from poolfleet_agent.model.ports import Encoder, PoolIntent
from poolfleet_agent.model.reservation import OWN_PREFIX
from poolfleet_agent.model.storage import MARKER_FOLDER
from poolfleet_agent.model.volume import VolumeFacts

SHOWN_UNADDRESSABLE_NAMES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFacts:
    """What was found out about a pool's target by looking at it."""

    filesystem_id: str = ""
    storage: Storage | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumesSeen:
    """The outcome of reading a pool's volumes: either records, or why they could not be read."""

    records: Mapping[str, VolumeRecord]
    as_of_s: float | None
    unaddressable_count: int = 0
    unaddressable_names: tuple[str, ...] = ()
    backing_links: tuple[tuple[str, str], ...] = ()
    unread_reason: str = ""
    unread_message: str = ""


def volume_records(
    volumes: Iterable[VolumeFacts], encoder: Encoder, known: Mapping[str, VolumeRecord] = MappingProxyType({})
) -> dict[str, VolumeRecord]:
    """Make the records of volumes, in the order of their names; those of `known` that are right are kept.

    The agents' own files are left out: they are no volumes. To encode ten thousand takes half a second, in which
    nobody is answered.
    """
    records: dict[str, VolumeRecord] = {}
    for facts in sorted(volumes, key=lambda volume: volume.name):
        if is_agents_own(facts.name):
            continue
        there = known.get(facts.name)
        records[facts.name] = there if there and there.facts == facts else volume_record(facts, encoder)
    return records


def is_agents_own(name: str) -> bool:
    """Whether a file is the agents' own, and no volume."""
    return name == MARKER_FOLDER or name.startswith(OWN_PREFIX)


def with_content_id(facts: VolumeFacts, known: VolumeRecord | None) -> VolumeFacts:
    """Add to what libvirt says of a volume what it tells of none: as before, while it is the same by its etag."""
    if known is None or not known.facts.content_id or volume_etag(facts) != known.etag:
        return facts
    return replace(facts, content_id=known.facts.content_id)


def volume_record(facts: VolumeFacts, encoder: Encoder) -> VolumeRecord:
    """Make one record; the XML is left out, the snapshot does not carry it."""
    etag = volume_etag(facts)
    bare = replace(facts, xml="") if facts.xml else facts
    return VolumeRecord(facts=bare, etag=etag, encoded=encoder.volume(bare, etag))


def pool_entry(
    facts: PoolFacts,
    *,
    seen: VolumesSeen,
    target: TargetFacts,
    mount_server: str | None,
    mount_owner: MountOwner | None,
    mount_health: PoolHealth | None,
    intent: PoolIntent,
    previous: PoolEntry | None,
    as_of_s: float,
    looked_at_s: float,
    now_s: float,
    encoder: Encoder,
) -> PoolEntry:
    """Make a pool's entry."""
    before = previous.pool if previous else None
    provisioned_bytes, volume_count = None, None
    if facts.active and seen.as_of_s is not None:
        provisioned_bytes, volume_count = _totals(seen.records, previous)
    pool = Pool(
        facts=facts,
        etag=pool_etag(facts, supervised=intent.supervised),
        desired=intent.desired,
        supervised=intent.supervised,
        health=_health(facts, seen, mount_health, before, now_s),
        storage=target.storage,
        filesystem_id=target.filesystem_id,
        pending_fields=pending_fields(facts.definition, facts.stored_definition) if facts.active else (),
        provisioned_bytes=provisioned_bytes,
        volume_count=volume_count,
        unaddressable_count=seen.unaddressable_count,
        unaddressable_names=seen.unaddressable_names,
        backing_links=seen.backing_links,
        volumes_as_of_s=seen.as_of_s,
        unread_reason=seen.unread_reason,
        unread_message=seen.unread_message,
        as_of_s=as_of_s,
        mount_server=mount_server,
        mount_owner=mount_owner,
    )
    return PoolEntry(pool=pool, encoded=encoder.pool(pool), volumes=seen.records, looked_at_s=looked_at_s)


def _totals(records: Mapping[str, VolumeRecord], previous: PoolEntry | None) -> tuple[int | None, int | None]:
    """Sum up capacities and number; known already where the volumes are those of before, which may be thousands."""
    if previous is not None and records is previous.volumes and previous.pool.volume_count is not None:
        return previous.pool.provisioned_bytes, previous.pool.volume_count
    counted = [record.facts for record in records.values() if not record.facts.special]
    return sum(volume.capacity_bytes or 0 for volume in counted), len(counted)


def _health(
    facts: PoolFacts, seen: VolumesSeen, mount_health: PoolHealth | None, previous: Pool | None, now_s: float
) -> PoolHealth | None:
    if not facts.active:
        return None
    if mount_health is not None and (mount_health.status is not HealthStatus.HEALTHY or not seen.unread_reason):
        health = mount_health
    else:
        status = HealthStatus.FAULTY if seen.unread_reason else HealthStatus.HEALTHY
        health = PoolHealth(
            status=status, reason=seen.unread_reason, message=seen.unread_message, since_s=now_s, probed_at_s=now_s
        )
    return _with_since(health, previous)


def _with_since(health: PoolHealth, previous: Pool | None) -> PoolHealth:
    before = previous.health if previous else None
    if before is not None and (before.status, before.reason) == (health.status, health.reason):
        return replace(health, since_s=before.since_s)
    return health


def kept_entry(previous: PoolEntry, health: PoolHealth, encoder: Encoder) -> PoolEntry:
    """Make the entry of a pool that is not looked at: as it was seen, with its age, and with this health."""
    pool = replace(previous.pool, health=_with_since(health, previous.pool))
    if pool.quarantined:
        pool = replace(pool, unread_reason=health.reason, unread_message=health.message)
    return replace(previous, pool=pool, encoded=encoder.pool(pool))


def escape_name(name: bytes) -> str:
    r"""Show a name that is not UTF-8, with `\xNN` for each byte that is not."""
    return name.decode("utf-8", "backslashreplace")


def unaddressable(names: Iterable[bytes]) -> tuple[str, ...]:
    """The names that are not UTF-8, escaped, the first hundred in their order."""
    escaped = []
    for name in names:
        try:
            name.decode()
        except UnicodeDecodeError:
            escaped.append(escape_name(name))
    return tuple(sorted(escaped)[:SHOWN_UNADDRESSABLE_NAMES])
