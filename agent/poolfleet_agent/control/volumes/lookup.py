"""LookupVolume: find a volume by path or key, from the registry; libvirt's own look-up would touch every pool."""

import posixpath

from poolfleet_agent.control.host import Host
from poolfleet_agent.control.volumes.place import file_in_pool
from poolfleet_agent.inventory.snapshot import PoolEntry, VolumeRecord
from poolfleet_agent.model.compare import clean_path
from poolfleet_agent.model.errors import ModelError, Reason, invalid_field
from poolfleet_agent.model.names import check_absolute_path
from poolfleet_agent.model.pool import DIRECTORY_POOL_TYPES

Found = tuple[PoolEntry, VolumeRecord]


async def find_volume_by_path(host: Host, path: str) -> Found:
    """Find by path, symbolic links followed: VOLUME_NOT_FOUND, SYMLINK_LEAVES_POOL, PATH_NOT_ALLOWED.

    A name that the snapshot lacks is looked for once.
    """
    check_absolute_path("path", path)
    host.registry.snapshot.require_loaded()
    path = clean_path(path)
    if found := await _at(host, path):
        return found
    if any(_holds(entry, path) for entry in host.registry.snapshot.pools.values()):
        raise _not_found("path", path)
    await host.check_path("path", path)
    real = await host.files.real_path(path)
    found = await _at(host, real) if real != path else None
    if found is None:
        # Who asks for a fleet may know it by that name from another host.
        raise _not_found("path", path, real if real != path else "")
    return found


async def find_volume_by_key(host: Host, key: str) -> Found:
    """Find by libvirt's key. VOLUME_NOT_FOUND."""
    if not key:
        raise invalid_field("key", "must not be empty")
    host.registry.snapshot.require_loaded()
    for entry in host.registry.snapshot.pools.values():
        for record in entry.volumes.values():
            if record.facts.key == key:
                return entry, record
    raise _not_found("key", key)


async def _at(host: Host, path: str) -> Found | None:
    for entry in host.registry.snapshot.pools.values():
        if _holds(entry, path):
            name = posixpath.basename(path)
            if not entry.pool.quarantined:
                await file_in_pool(host, entry, name)
            record = entry.volumes.get(name)
            if record is None and entry.pool.active:
                try:
                    record = await host.looker.volume(entry.pool.name, name)
                except ModelError as error:
                    if error.reason is not Reason.VOLUME_NOT_FOUND:
                        raise
            return (entry, record) if record else None
        if entry.pool.definition.type not in DIRECTORY_POOL_TYPES:
            for record in entry.volumes.values():
                if record.facts.path == path:
                    return entry, record
    return None


def _holds(entry: PoolEntry, path: str) -> bool:
    target = entry.pool.definition.target_path
    return (
        entry.pool.definition.type in DIRECTORY_POOL_TYPES
        and target is not None
        and posixpath.dirname(path) == clean_path(target)
    )


def _not_found(by: str, value: str, leads_to: str = "") -> ModelError:
    return ModelError(
        Reason.VOLUME_NOT_FOUND,
        f"no pool of this host has a volume with {by} {value!r}{f', which leads to {leads_to!r}' if leads_to else ''}",
        metadata={by: value} | ({"leads_to": leads_to} if leads_to else {}),
    )
