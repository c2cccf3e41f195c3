"""Rules for a definition that is about to be stored: names, paths, and who else has its source or target."""

import contextlib
from collections.abc import Collection, Iterable

from poolfleet_agent.control.host import Host
from poolfleet_agent.model.allowed_paths import overlap
from poolfleet_agent.model.backends import backend_missing
from poolfleet_agent.model.compare import clean_path
from poolfleet_agent.model.errors import ModelError, Reason, invalid_field
from poolfleet_agent.model.mount_options import check_mount_options
from poolfleet_agent.model.names import check_new_name, check_uuid
from poolfleet_agent.model.pool import DIRECTORY_POOL_TYPES, PoolDefinition
from poolfleet_agent.model.source_conflict import same_source
from poolfleet_agent.model.sources import check_source


def check_shape(definition: PoolDefinition, allowed_options: Collection[str] = ()) -> None:
    """Refuse a definition that is malformed in itself: INVALID_FIELD."""
    check_new_name("name", definition.name)
    if definition.uuid is not None:
        check_uuid("uuid", definition.uuid)
    if definition.source is not None:
        check_source(definition.source)
    if definition.type in DIRECTORY_POOL_TYPES and not definition.target_path:
        raise invalid_field("target.path", "must not be empty")
    version = definition.protocol_version or ""
    check_mount_options(definition.mount_options or (), version, allowed=allowed_options)


def check_supported(pool_type: str, host: Host) -> None:
    """Refuse a type that this libvirt has no backend for, where it says so: NOT_SUPPORTED_HERE."""
    types = host.hypervisor.facts().pool_types
    if types and pool_type not in types:
        raise backend_missing(pool_type, types)


async def check_place(definition: PoolDefinition, host: Host) -> None:
    """Refuse a definition whose place is not allowed, or is another pool's: from the registry, libvirt is not asked.

    POOL_EXISTS (the UUID is another pool's), SOURCE_IN_USE, TARGET_IN_USE, PATH_NOT_ALLOWED.
    """
    await host.check_definition_paths(definition)
    target = await _names_of_target(definition, host)
    for entry in host.registry.snapshot.pools.values():
        other = entry.pool
        if other.name == definition.name:
            continue
        if definition.uuid is not None and definition.uuid == other.facts.uuid:
            raise _taken(Reason.POOL_EXISTS, f"the UUID is that of pool {other.name!r}", definition, other.name, "uuid")
        for stated in (other.definition, other.stored):
            if same_source(definition, stated):
                raise _taken(
                    Reason.SOURCE_IN_USE, f"pool {other.name!r} has this source", definition, other.name, "source"
                )
            if _overlap_anywhere(target, await _names_of_target(stated, host)):
                raise _taken(
                    Reason.TARGET_IN_USE,
                    f"{definition.target_path} overlaps {stated.target_path}, the target of pool {other.name!r}",
                    definition,
                    other.name,
                    "target.path",
                )


async def _names_of_target(definition: PoolDefinition, host: Host) -> set[str]:
    """The target of a pool of files as it is written, and with symbolic links resolved where it is no server's."""
    if definition.type not in DIRECTORY_POOL_TYPES or not definition.target_path:
        return set()
    names = {clean_path(definition.target_path)}
    if definition.server is None:
        with contextlib.suppress(ModelError):  # what cannot be looked at is compared by its name
            names.add(await host.files.real_path(definition.target_path))
    return names


def _overlap_anywhere(ones: Iterable[str], others: Collection[str]) -> bool:
    return any(overlap(one, other) for one in ones for other in others)


def _taken(reason: Reason, message: str, definition: PoolDefinition, existing: str, field: str) -> ModelError:
    return ModelError(reason, message, metadata={"pool": definition.name, "existing_pool": existing, "fields": field})


def differs(pool: str, fields: tuple[str, ...]) -> ModelError:
    """The error for a pool that exists with other properties."""
    return ModelError(
        Reason.POOL_EXISTS,
        f"pool {pool!r} exists with another {', '.join(fields)}",
        metadata={"pool": pool, "existing_pool": pool, "fields": ",".join(fields)},
    )
