"""Volume documents: what a caller asks for, and what libvirt says of a volume."""

import re
import sys
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element

from poolfleet_agent.hypervisor.xml import document
from poolfleet_agent.hypervisor.xml.document import attribute, only, text
from poolfleet_agent.hypervisor.xml.secrets import secret_refs
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.image_options import COMPATS, QCOW2, ImageOptions
from poolfleet_agent.model.volume import BackingStore, VolumeDefinition, VolumeEncryption, VolumeFacts

_LARGEST_BYTES = 2**63 - 1
_POWERS = {letter: power for power, letter in enumerate("kmgtpe", start=1)}


def parse_volume(xml: str) -> VolumeDefinition:
    """Read a volume document: INVALID_FIELD, TOO_LARGE."""
    root = document.read(xml, "volume")
    target = only(root, "target")
    name = text(root, "name")
    if not name:
        raise document.malformed("must have a <name>")
    return VolumeDefinition(
        name=name,
        format=attribute(target, "format", "type"),
        capacity_bytes=_size_bytes(root, "capacity"),
        allocation_bytes=_size_bytes(root, "allocation"),
        backing_store=_backing_store(root),
        permissions=document.permissions(target),
        encryption=_encryption(target),
        options=_options(target),
    )


def render_volume(definition: VolumeDefinition) -> str:
    """Write a volume document."""
    root = ET.Element("volume")
    document.append(root, "name", definition.name)
    for tag, size_bytes in (("capacity", definition.capacity_bytes), ("allocation", definition.allocation_bytes)):
        if size_bytes is not None:
            document.append(root, tag, str(size_bytes)).set("unit", "bytes")
    target = ET.Element("target")
    if definition.format is not None:
        ET.SubElement(target, "format").set("type", definition.format)
    if definition.permissions is not None:
        document.append_permissions(target, definition.permissions)
    if definition.encryption is not None:
        _append_encryption(target, definition.encryption)
    _append_options(target, definition.options)
    if len(target):
        root.append(target)
    if definition.backing_store is not None:
        backing = ET.SubElement(root, "backingStore")
        document.append(backing, "path", definition.backing_store.path)
        if definition.backing_store.format:
            ET.SubElement(backing, "format").set("type", definition.backing_store.format)
    return document.write(root)


def parse_facts(pool: str, xml: str) -> VolumeFacts:
    """Read libvirt's own description of a volume of `pool`; the answer is without the document."""
    root = document.read(xml, "volume")
    target = only(root, "target")
    encryption = _encryption(target)
    options = _options(target)
    timestamps = only(target, "timestamps")
    modified_at, born_at = text(timestamps, "mtime"), text(timestamps, "btime")
    path = text(target, "path") or ""
    key = text(root, "key") or ""
    volume_format = sys.intern(attribute(target, "format", "type") or "")
    return VolumeFacts(
        pool=pool,
        name=text(root, "name") or "",
        # One string for both: there may be ten thousand of them.
        key=path if key == path else key,
        path=path,
        type=sys.intern(root.get("type", "")),
        format=volume_format,
        capacity_bytes=_size_bytes(root, "capacity"),
        allocation_bytes=_size_bytes(root, "allocation"),
        physical_bytes=_size_bytes(root, "physical"),
        backing_store=_backing_store(root),
        permissions=document.permissions(target),
        modified_at_s=None if modified_at is None else float(modified_at),
        # 0: the file system does not say.
        born_at_s=float(born_at or 0) or None,
        # libvirt is silent of the oldest level.
        compat=options.compat or (COMPATS[0] if volume_format == QCOW2 else ""),
        features=options.features,
        cluster_size_bytes=options.cluster_size_bytes,
        encryption=sys.intern(encryption.format) if encryption is not None else "",
        secret=encryption.secret if encryption is not None else None,
    )


def _backing_store(root: Element) -> BackingStore | None:
    element = only(root, "backingStore")
    path = text(element, "path")
    return BackingStore(path=path, format=attribute(element, "format", "type") or "") if path else None


def _encryption(target: Element | None) -> VolumeEncryption | None:
    element = only(target, "encryption")
    if element is None:
        return None
    return VolumeEncryption(format=element.get("format", ""), secret=next(secret_refs(element), None))


def _append_encryption(target: Element, stated: VolumeEncryption) -> None:
    element = ET.SubElement(target, "encryption", {"format": stated.format})
    if (ref := stated.secret) is not None:
        named = {"uuid": ref.uuid} if ref.uuid else {"usage": ref.usage_id}
        ET.SubElement(element, "secret", {"type": "passphrase", **named})


def _options(target: Element | None) -> ImageOptions:
    features = only(target, "features")
    return ImageOptions(
        compat=text(target, "compat") or "",
        cluster_size_bytes=_size_bytes(target, "clusterSize"),
        features=() if features is None else tuple(feature.tag for feature in features),
        nocow=only(target, "nocow") is not None,
    )


def _append_options(target: Element, options: ImageOptions) -> None:
    if options.compat:
        document.append(target, "compat", options.compat)
    if options.cluster_size_bytes is not None:
        document.append(target, "clusterSize", str(options.cluster_size_bytes)).set("unit", "B")
    if options.nocow:
        ET.SubElement(target, "nocow")
    if options.features:
        features = ET.SubElement(target, "features")
        for feature in options.features:
            ET.SubElement(features, feature)


def _size_bytes(parent: Element | None, tag: str) -> int | None:
    value = text(parent, tag)
    if value is None:
        return None
    unit = attribute(parent, tag, "unit") or ""
    scale = _scale(unit)
    if scale is None or not re.fullmatch(r"\s*\+?[0-9]{1,30}", value):
        raise document.malformed(f"<{tag}> {value[:50]!r} {unit[:20]!r} is not a size")
    size_bytes = int(value) * scale
    if size_bytes > _LARGEST_BYTES:
        raise ModelError(
            Reason.TOO_LARGE,
            f"{tag} {value.strip()} {unit} is more than libvirt can hold",
            metadata={"field": tag, "value": f"{value.strip()} {unit}".strip()},
        )
    return size_bytes


def _scale(unit: str) -> int | None:
    """What libvirt multiplies by: `KB` is 1000, `K` and `KiB` are 1024, in either case; None for no unit of its."""
    lower = unit.lower()
    if lower in {"", "b", "byte", "bytes"}:
        return 1
    power = _POWERS.get(lower[0])
    if power is None or lower[1:] not in {"", "b", "ib"}:
        return None
    return int(1000**power if lower[1:] == "b" else 1024**power)
