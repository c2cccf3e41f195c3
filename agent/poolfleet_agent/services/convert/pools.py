"""Pools between API and model."""

from poolfleet.v1 import pool_pb2, snapshot_pb2
from poolfleet_agent.model.errors import invalid_field
from poolfleet_agent.model.names import check_uuid
from poolfleet_agent.model.pool import (
    MOUNTED_POOL_TYPES,
    OWN_TARGET_POOL_TYPES,
    TARGETLESS_POOL_TYPES,
    Fingerprint,
    HealthStatus,
    MountOwner,
    Permissions,
    Pool,
    PoolDefinition,
    PoolHealth,
    PoolState,
    Signs,
    Storage,
)
from poolfleet_agent.model.pool_source import PoolSource
from poolfleet_agent.services.convert.pool_sources import source_from, source_to
from poolfleet_agent.services.convert.sizes import told_bytes
from poolfleet_agent.services.convert.times import timestamp, write_timestamp

MOST_MODE_BITS = 0o7777
LARGEST_ID = 2**32 - 2

_STATES = {state: pool_pb2.PoolState.Value(f"POOL_STATE_{state}") for state in PoolState}
_OWNERS = {owner: pool_pb2.PoolMount.Owner.Value(f"OWNER_{owner}") for owner in MountOwner}
_HEALTH = {status: pool_pb2.PoolHealth.Status.Value(f"STATUS_{status}") for status in HealthStatus}


def permissions_from(field: str, message: snapshot_pb2.Permissions) -> Permissions:
    """Read permissions: INVALID_FIELD for bits and ids that POSIX does not have."""
    mode = message.mode if message.HasField("mode") else None
    owner = message.owner if message.HasField("owner") else None
    group = message.group if message.HasField("group") else None
    if mode is not None and mode > MOST_MODE_BITS:
        raise invalid_field(f"{field}.mode", "must be at most 0o7777", value=oct(mode))
    for part, value in (("owner", owner), ("group", group)):
        if value is not None and not 0 <= value <= LARGEST_ID:
            raise invalid_field(f"{field}.{part}", f"must be between 0 and {LARGEST_ID}", value=str(value))
    if any(ord(char) < 0x20 for char in message.label) or len(message.label) > 1024:
        raise invalid_field(f"{field}.label", "must be one line of at most 1024 characters")
    return Permissions(mode=mode, owner=owner, group=group, label=message.label)


def permissions_to(permissions: Permissions) -> snapshot_pb2.Permissions:
    """Write permissions."""
    return snapshot_pb2.Permissions(
        mode=permissions.mode, owner=permissions.owner, group=permissions.group, label=permissions.label
    )


def definition_from(spec: pool_pb2.PoolSpec) -> PoolDefinition:
    """Read what a caller asks a pool to be. A pool without a source, or a target where it needs one, is refused:
    INVALID_FIELD."""
    kind, source = source_from(spec)
    if kind in TARGETLESS_POOL_TYPES and spec.HasField("target"):
        raise invalid_field("spec.target", f"must not be set: a pool of type {kind} has none")
    if not spec.target.path and kind not in TARGETLESS_POOL_TYPES | OWN_TARGET_POOL_TYPES:
        raise invalid_field("spec.target.path", "must not be empty")
    return _definition(spec.name, kind, source, spec)


def partial_definition_from(name: str, kind: str, spec: pool_pb2.PoolSpec) -> PoolDefinition:
    """Read those parts of a definition that an update names; what is unset there stays None."""
    if spec.WhichOneof("source") is not None:
        kind, source = source_from(spec)
        return _definition(name, kind, source, spec)
    return _definition(name, kind, None, spec)


def _definition(name: str, kind: str, source: PoolSource | None, spec: pool_pb2.PoolSpec) -> PoolDefinition:
    target, mount = spec.target, spec.mount
    has_permissions = target.HasField("permissions")
    return PoolDefinition(
        name=name,
        type=kind,
        uuid=check_uuid("spec.uuid", spec.uuid) if spec.uuid else None,
        source=source,
        target_path=target.path or None,
        target_permissions=permissions_from("spec.target.permissions", target.permissions) if has_permissions else None,
        mount_options=tuple(mount.options) if spec.HasField("mount") else None,
        protocol_version=mount.protocol_version if spec.HasField("mount") else None,
        cow=spec.features.cow if spec.features.HasField("cow") else None,
        vendor=spec.vendor or None,
        product=spec.product or None,
    )


def spec_to(definition: PoolDefinition) -> pool_pb2.PoolSpec:
    """Write a definition as the spec that would ask for it."""
    spec = pool_pb2.PoolSpec(
        name=definition.name,
        uuid=definition.uuid or "",
        target=_target_to(definition),
        features=_features_to(definition),
        vendor=definition.vendor or "",
        product=definition.product or "",
    )
    source_to(definition.source, spec)
    if (mount := _mount_to(definition)) is not None:
        spec.mount.CopyFrom(mount)
    return spec


def _features_to(definition: PoolDefinition) -> pool_pb2.PoolFeatures | None:
    return None if definition.cow is None else pool_pb2.PoolFeatures(cow=definition.cow)


def _target_to(definition: PoolDefinition) -> pool_pb2.PoolTarget | None:
    if definition.type in TARGETLESS_POOL_TYPES:
        return None
    target = pool_pb2.PoolTarget(path=definition.target_path or "")
    if definition.target_permissions is not None:
        target.permissions.CopyFrom(permissions_to(definition.target_permissions))
    return target


def _mount_to(definition: PoolDefinition, owner: MountOwner | None = None) -> pool_pb2.PoolMount | None:
    if definition.type not in MOUNTED_POOL_TYPES:
        return None
    return pool_pb2.PoolMount(
        options=definition.mount_options or (),
        protocol_version=definition.protocol_version or "",
        owner=_OWNERS[owner] if owner else pool_pb2.PoolMount.OWNER_UNSPECIFIED,
    )


def _health_to(health: PoolHealth) -> pool_pb2.PoolHealth:
    message = pool_pb2.PoolHealth(
        status=_HEALTH[health.status],
        reason=health.reason,
        message=health.message,
    )
    write_timestamp(message.since, health.since_s)
    write_timestamp(message.probed_at, health.probed_at_s)
    return message


def _storage_to(storage: Storage) -> snapshot_pb2.Storage:
    return snapshot_pb2.Storage(
        id=storage.id,
        source=snapshot_pb2.Storage.Source.Value(f"SOURCE_{storage.source}"),
        aliases=storage.aliases,
        fingerprint=_fingerprint_to(storage.fingerprint) if storage.fingerprint else None,
        signs=_signs_to(storage.signs) if storage.signs else None,
    )


def _signs_to(signs: Signs) -> snapshot_pb2.StorageSigns:
    message = snapshot_pb2.StorageSigns(agent_ids=signs.agent_ids)
    write_timestamp(message.since, signs.since_s)
    return message


def _fingerprint_to(fingerprint: Fingerprint) -> snapshot_pb2.StorageFingerprint:
    return snapshot_pb2.StorageFingerprint(
        root_inode=fingerprint.root_inode,
        files=[snapshot_pb2.StorageFingerprint.File(name=name, inode=inode) for name, inode in fingerprint.files],
        too_many_names=fingerprint.too_many,
    )


def pool_to(pool: Pool) -> pool_pb2.Pool:
    """Write a pool (VIEW_BASIC)."""
    facts = pool.facts
    message = pool_pb2.Pool(
        name=facts.name,
        uuid=facts.uuid,
        type=facts.definition.type,
        state=_STATES[facts.state],
        desired_state=_desired_to(pool),
        supervised=pool.supervised,
        health=_health_to(pool.health) if pool.health else None,
        autostart=facts.autostart,
        persistent=facts.persistent,
        capacity_bytes=told_bytes(facts.capacity_bytes),
        allocation_bytes=told_bytes(facts.allocation_bytes),
        available_bytes=told_bytes(facts.available_bytes),
        provisioned_bytes=told_bytes(pool.provisioned_bytes),
        volume_count=pool.volume_count,
        target=_target_to(facts.definition),
        mount=_mount_to(facts.definition, pool.mount_owner),
        storage=_storage_to(pool.storage) if pool.storage else None,
        filesystem_id=pool.filesystem_id,
        pending=_pending_to(pool),
        etag=pool.etag,
        unaddressable_count=pool.unaddressable_count,
        unaddressable_names=pool.unaddressable_names,
        features=_features_to(facts.definition),
        vendor=facts.definition.vendor or "",
        product=facts.definition.product or "",
        backing_links=[pool_pb2.BackingLink(path=path, leads_to=leads_to) for path, leads_to in pool.backing_links],
    )
    source_to(facts.definition.source, message)
    if pool.volumes_as_of_s is not None:
        write_timestamp(message.volumes_as_of, pool.volumes_as_of_s)
    return message


def _pending_to(pool: Pool) -> pool_pb2.PendingDefinition | None:
    if not pool.pending_fields or pool.facts.stored_definition is None:
        return None
    return pool_pb2.PendingDefinition(fields=pool.pending_fields, spec=spec_to(pool.facts.stored_definition))


def _desired_to(pool: Pool) -> pool_pb2.DesiredState | None:
    if pool.desired is None:
        return None
    return pool_pb2.DesiredState(
        desired=pool_pb2.DesiredState.Desired.Value(f"DESIRED_{pool.desired.desired}"),
        since=timestamp(pool.desired.since_s),
        why=pool.desired.why,
    )
