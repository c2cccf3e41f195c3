"""The volume that a change is asked for, as it is now: what cannot be changed by that name is refused."""

import posixpath

from poolfleet_agent.control.host import Host, check_etag
from poolfleet_agent.control.mutation import Outcome
from poolfleet_agent.control.pools.refresh import require_active
from poolfleet_agent.control.volumes.place import file_on_share
from poolfleet_agent.control.volumes.reserve import check_not_being_created
from poolfleet_agent.inventory.snapshot import PoolEntry, VolumeRecord, volume_not_found
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.names import check_known_name
from poolfleet_agent.model.ports import FileFacts, FileKind
from poolfleet_agent.model.quarantine import Use


async def existing_volume(host: Host, pool: str, volume: str, *, etag: str, use: Use) -> tuple[PoolEntry, VolumeRecord]:
    """Find it, in a pool that may be used so: VOLUME_NOT_FOUND, ETAG_MISMATCH, NOT_A_VOLUME, and what its pool is not.

    NAME_RESERVED where another agent is only just creating it; RESOURCE_BUSY where libvirt has not seen its file yet,
    and cannot now.
    """
    check_known_name("volume", volume)
    entry = await host.fresh_pool(pool)
    require_active(entry)
    await host.quarantine.check_volume(entry, volume, use)
    record = await _seen_by_libvirt(host, pool, volume)
    check_etag(etag, record.etag)
    if record.facts.special:
        raise _not_a_volume(record, "is a directory or begins with a dot; it is no volume")
    await check_not_being_created(host, entry, volume)
    return entry, record


async def _seen_by_libvirt(host: Host, pool: str, volume: str) -> VolumeRecord:
    """Find it; where its file came from elsewhere, and libvirt knows nothing of it yet, that is told to look."""
    try:
        return await host.looker.volume_in_libvirt(pool, volume)
    except ModelError as error:
        if error.reason is not Reason.VOLUME_NOT_FOUND:
            raise
    await host.looker.volume(pool, volume)
    await host.refreshes.ask_once(pool)
    return await host.looker.volume_in_libvirt(pool, volume)


async def file_of_volume(host: Host, entry: PoolEntry, record: VolumeRecord) -> FileFacts | None:
    """The file of a volume whose content is to be changed: SYMLINK_LEAVES_POOL, NOT_A_VOLUME for another link.

    None: it is no file in a directory. Who follows a link changes another volume, which may be in use by its own name.
    """
    facts = record.facts
    found = await file_on_share(host, entry, facts.name)
    if found is None or found.kind is FileKind.OTHER:
        if facts.type == "file" and posixpath.dirname(facts.path) == entry.pool.definition.target_path:
            raise volume_not_found(entry.pool.name, facts.name)
        return None
    if found.kind is FileKind.SYMLINK:
        raise _not_a_volume(record, "is a symbolic link; name the volume that it leads to")
    return found if found.kind is FileKind.FILE else None


async def changed_volume(host: Host, pool: str, volume: str) -> Outcome:
    """The volume as a change has left it; what that took of its pool is read too."""
    record = await host.looker.volume(pool, volume)
    await host.looker.pool_facts(pool)
    return Outcome.of_volume(record, changed=True)


def _not_a_volume(record: VolumeRecord, why: str) -> ModelError:
    facts = record.facts
    return ModelError(
        Reason.NOT_A_VOLUME,
        f"{facts.name!r} {why}",
        metadata={"pool": facts.pool, "volume": facts.name, "path": facts.path},
    )
