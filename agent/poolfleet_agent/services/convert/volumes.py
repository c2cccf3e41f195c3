"""Volumes between API and model."""

from poolfleet.v1 import secret_pb2, volume_pb2, volume_service_pb2
from poolfleet_agent.model.errors import invalid_field
from poolfleet_agent.model.image import LUKS
from poolfleet_agent.model.image_options import ImageOptions, check_options
from poolfleet_agent.model.resizing import NewSize
from poolfleet_agent.model.secret import VOLUME_USAGE, SecretRef
from poolfleet_agent.model.volume import BackingStore, VolumeDefinition, VolumeEncryption, VolumeFacts
from poolfleet_agent.services.convert.pools import permissions_from, permissions_to
from poolfleet_agent.services.convert.secrets import ref_from
from poolfleet_agent.services.convert.sizes import told_bytes
from poolfleet_agent.services.convert.times import timestamp

LINKED_FORMATS = frozenset({"", "qcow2"})


def definition_from(spec: volume_pb2.VolumeSpec) -> VolumeDefinition:
    """Read what a caller asks a volume to be: INVALID_FIELD."""
    source_format = spec.format or "raw"
    if spec.capacity_bytes < 0:
        raise invalid_field("spec.capacity_bytes", "must not be negative", value=str(spec.capacity_bytes))
    allocation_bytes = spec.allocation_bytes if spec.HasField("allocation_bytes") else None
    if allocation_bytes is not None and not 0 <= allocation_bytes <= max(spec.capacity_bytes, 0):
        raise invalid_field(
            "spec.allocation_bytes", "must be between 0 and capacity_bytes", value=str(allocation_bytes)
        )
    backing = None
    if spec.HasField("backing_store"):
        if not spec.backing_store.path:
            raise invalid_field("spec.backing_store.path", "must not be empty")
        backing = BackingStore(path=spec.backing_store.path, format=spec.backing_store.format)
    elif source_format != "raw" and spec.capacity_bytes == 0:
        raise invalid_field("spec.capacity_bytes", f"must be positive for {source_format}")
    options = ImageOptions(
        compat=spec.compat,
        cluster_size_bytes=spec.cluster_size_bytes if spec.HasField("cluster_size_bytes") else None,
        features=tuple(spec.features),
        nocow=spec.nocow,
    )
    check_options("spec", source_format, options)
    has_permissions = spec.HasField("permissions")
    return VolumeDefinition(
        name=spec.name,
        format=spec.format or None,
        capacity_bytes=None if backing is not None and not spec.capacity_bytes else spec.capacity_bytes,
        allocation_bytes=allocation_bytes,
        backing_store=backing,
        permissions=permissions_from("spec.permissions", spec.permissions) if has_permissions else None,
        encryption=_encryption_from(spec.encryption) if spec.HasField("encryption") else None,
        options=options,
    )


def clone_definition_from(spec: volume_pb2.CloneSpec) -> VolumeDefinition:
    """Read what a caller states of a clone: INVALID_FIELD. What is not stated follows from the source."""
    if spec.capacity_bytes < 0:
        raise invalid_field("spec.capacity_bytes", "must not be negative", value=str(spec.capacity_bytes))
    if spec.linked and spec.format not in LINKED_FORMATS:
        raise invalid_field("spec.format", "must be qcow2 for a linked clone", value=spec.format)
    encryption = _encryption_from(spec.encryption) if spec.HasField("encryption") else None
    if encryption is not None and (spec.decrypted or spec.linked):
        beside = "decrypted" if spec.decrypted else "linked"
        raise invalid_field("spec.encryption", f"is for copies that are encrypted, and this is to be {beside}")
    if spec.linked and spec.decrypted:
        raise invalid_field("spec.decrypted", "is for copies: a linked clone lies on its source as that is")
    has_permissions = spec.HasField("permissions")
    return VolumeDefinition(
        name=spec.name,
        format=spec.format or None,
        capacity_bytes=spec.capacity_bytes or None,
        permissions=permissions_from("spec.permissions", spec.permissions) if has_permissions else None,
        encryption=encryption,
    )


def source_secret_from(request: volume_service_pb2.CloneVolumeRequest) -> SecretRef | None:
    """Read what opens a clone's source: INVALID_FIELD; None: not stated."""
    return _volume_secret("source_secret", request.source_secret) if request.HasField("source_secret") else None


def new_size_from(request: volume_service_pb2.ResizeVolumeRequest) -> NewSize:
    """Read how large a volume is to become: INVALID_FIELD."""
    match request.WhichOneof("size"):
        case "capacity_bytes":
            if request.capacity_bytes <= 0:
                raise invalid_field("capacity_bytes", "must be positive", value=str(request.capacity_bytes))
            return NewSize(capacity_bytes=request.capacity_bytes)
        case "delta_bytes":
            if request.delta_bytes == 0:
                raise invalid_field("delta_bytes", "must not be 0", value="0")
            return NewSize(delta_bytes=request.delta_bytes)
        case _:
            raise invalid_field("size", "needs capacity_bytes or delta_bytes")


def _encryption_from(message: volume_pb2.VolumeEncryption) -> VolumeEncryption:
    secret = _volume_secret("spec.encryption.secret", message.secret)
    return VolumeEncryption(format=message.format or LUKS, secret=secret)


def _volume_secret(field: str, message: secret_pb2.SecretRef) -> SecretRef:
    ref = ref_from(field, message, usage_type=VOLUME_USAGE)
    if ref.usage_type not in {"", VOLUME_USAGE}:
        raise invalid_field(f"{field}.usage_type", f"must be {VOLUME_USAGE}", value=ref.usage_type)
    return ref


def volume_to(facts: VolumeFacts, etag: str) -> volume_pb2.Volume:
    """Write a volume (VIEW_BASIC)."""
    message = volume_pb2.Volume(
        pool=facts.pool,
        name=facts.name,
        key=facts.key,
        path=facts.path,
        type=facts.type,
        format=facts.format,
        capacity_bytes=told_bytes(facts.capacity_bytes),
        allocation_bytes=told_bytes(facts.allocation_bytes),
        physical_bytes=told_bytes(facts.physical_bytes),
        compat=facts.compat,
        features=facts.features,
        cluster_size_bytes=told_bytes(facts.cluster_size_bytes),
        encryption=facts.encryption,
        content_id=facts.content_id,
        etag=etag,
    )
    if facts.backing_store is not None:
        message.backing_store.CopyFrom(
            volume_pb2.BackingStore(path=facts.backing_store.path, format=facts.backing_store.format)
        )
    if facts.permissions is not None:
        message.permissions.CopyFrom(permissions_to(facts.permissions))
    if facts.modified_at_s is not None:
        message.modified_at.CopyFrom(timestamp(facts.modified_at_s))
    return message
