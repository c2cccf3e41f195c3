"""Whether what is asked for is what there is: only what the request states counts, after libvirt's normalisation."""

import posixpath
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from poolfleet_agent.model.capacity import EXTENT_BYTES, KIB, LARGEST_CYLINDER_BYTES, rounded_up
from poolfleet_agent.model.image_options import DEFAULT_CLUSTER_BYTES, QCOW2, ImageOptions
from poolfleet_agent.model.pool import OWN_TARGET_POOL_TYPES, TARGETLESS_POOL_TYPES, Permissions, PoolDefinition
from poolfleet_agent.model.pool_source import PoolSource
from poolfleet_agent.model.volume import VolumeDefinition, VolumeFacts


def clean_path(path: str) -> str:
    """Give a path as libvirt stores it: no doubled and no trailing slashes."""
    cleaned = posixpath.normpath(path) if path else ""
    return cleaned[1:] if cleaned.startswith("//") else cleaned


def pool_differences(asked: PoolDefinition, have: PoolDefinition) -> tuple[str, ...]:
    """Name the fields in which a pool is not as asked; empty: it is."""
    return tuple(_pool_differences(asked, have))


def _pool_differences(asked: PoolDefinition, have: PoolDefinition) -> Iterator[str]:
    if asked.type != have.type:
        yield "type"
        return
    if asked.uuid is not None and asked.uuid != have.uuid:
        yield "uuid"
    if asked.source is not None:
        yield from _source_differences("source", asked.source, have.source)
    if asked.type not in TARGETLESS_POOL_TYPES:
        yield from _target_differences(asked, have)
    if asked.mount_options is not None and asked.mount_options != (have.mount_options or ()):
        yield "mount.options"
    if asked.protocol_version is not None and asked.protocol_version != (have.protocol_version or ""):
        yield "mount.protocol_version"
    for name, wanted, there in (
        ("features.cow", asked.cow, have.cow),
        ("vendor", asked.vendor, have.vendor),
        ("product", asked.product, have.product),
    ):
        if wanted is not None and wanted != there:
            yield name


def _target_differences(asked: PoolDefinition, have: PoolDefinition) -> Iterator[str]:
    counts = asked.target_path is not None and asked.type not in OWN_TARGET_POOL_TYPES
    if counts and clean_path(asked.target_path or "") != clean_path(have.target_path or ""):
        yield "target.path"
    if asked.target_permissions is not None:
        yield from _permission_differences("target.permissions", asked.target_permissions, have.target_permissions)


def _source_differences(field: str, asked: PoolSource | Any, have: PoolSource | Any) -> Iterator[str]:
    """Compare what is stated, part by part; in lists of servers, devices and options the order says nothing."""
    if type(asked) is not type(have):
        yield field
        return
    for part in fields(asked):
        wanted, there = getattr(asked, part.name), getattr(have, part.name)
        if wanted in (None, ()):
            continue
        if is_dataclass(wanted):
            yield from _source_differences(f"{field}.{part.name}", wanted, there)
        elif _as_stored(part.name, wanted) != _as_stored(part.name, there):
            yield f"{field}.{part.name}"


def _as_stored(part: str, value: Any) -> Any:
    if isinstance(value, tuple):
        return frozenset(value)
    return clean_path(value or "") if part == "path" else value


def _permission_differences(field: str, asked: Permissions, have: Permissions | None) -> Iterator[str]:
    have = have or Permissions()
    for part in ("mode", "owner", "group"):
        wanted = getattr(asked, part)
        if wanted is not None and wanted != getattr(have, part):
            yield f"{field}.{part}"
    if asked.label and asked.label != have.label:
        yield f"{field}.label"


def pending_fields(live: PoolDefinition, stored: PoolDefinition | None) -> tuple[str, ...]:
    """Name the fields in which the stored definition differs from the live one. Live permissions are the directory's
    real ones, not the definition's, and do not count."""
    if stored is None:
        return ()
    fields = [name for name in _pool_differences(stored, live) if not name.startswith("target.permissions")]
    for name, asked, have in (
        ("mount.options", stored.mount_options, live.mount_options),
        ("mount.protocol_version", stored.protocol_version, live.protocol_version),
    ):
        if name not in fields and (asked or None) != (have or None):
            fields.append(name)
    return tuple(fields)


def volume_differences(asked: VolumeDefinition, have: VolumeFacts) -> tuple[str, ...]:
    """Name the fields in which a volume is not as asked; empty: it is.

    Allocation is not compared: it changes by itself as the guest writes.
    """
    return tuple(_volume_differences(asked, have))


def _has_capacity(asked: VolumeDefinition, have: VolumeFacts) -> bool:
    """Whether it is as large as asked: libvirt gives qemu-img whole KiB, rounded up, and a vpc image whole cylinders of
    some disk; LVM gives whole extents."""
    if asked.capacity_bytes is None or have.capacity_bytes == asked.capacity_bytes:
        return True
    if have.capacity_bytes is None:
        return False
    if have.type == "block" and not have.format:
        return have.capacity_bytes == rounded_up(asked.capacity_bytes, EXTENT_BYTES)
    more_bytes = have.capacity_bytes - rounded_up(asked.capacity_bytes, KIB)
    return more_bytes == 0 or (have.format == "vpc" and 0 < more_bytes <= LARGEST_CYLINDER_BYTES)


def _volume_differences(asked: VolumeDefinition, have: VolumeFacts) -> Iterator[str]:
    # Of a partition libvirt knows what it is for only as long as it has made it itself; what it makes as an ISO image
    # is empty, and raw as soon as it looks at it.
    looks_like = {asked.format, "none"} | ({"raw"} if asked.format == "iso" else set())
    if asked.format is not None and have.format not in looks_like:
        yield "format"
    if not _has_capacity(asked, have):
        yield "capacity_bytes"
    if asked.backing_store is not None:
        path = have.backing_store.path if have.backing_store else ""
        if clean_path(asked.backing_store.path) != clean_path(path):
            yield "backing_store.path"
        have_format = have.backing_store.format if have.backing_store else ""
        if asked.backing_store.format and asked.backing_store.format != have_format:
            yield "backing_store.format"
    if asked.permissions is not None:
        yield from _permission_differences("permissions", asked.permissions, have.permissions)
    # By which secret libvirt soon forgets, and nothing else tells.
    if asked.encryption is not None and asked.encryption.format != have.encryption:
        yield "encryption.format"
    if asked.format in {None, have.format}:
        yield from _option_differences(asked.options, have)


def _option_differences(asked: ImageOptions, have: VolumeFacts) -> Iterator[str]:
    """Compare how images are laid out; that one is without copy-on-write nothing tells. What libvirt does not say of a
    qcow2 image is as qemu-img has made it of old."""
    is_qcow2 = have.format == QCOW2
    if asked.compat not in {"", have.compat}:
        yield "compat"
    have_bytes = have.cluster_size_bytes or (DEFAULT_CLUSTER_BYTES if is_qcow2 else None)
    if asked.cluster_size_bytes not in {None, have_bytes}:
        yield "cluster_size_bytes"
    if not set(asked.features) <= set(have.features):
        yield "features"
