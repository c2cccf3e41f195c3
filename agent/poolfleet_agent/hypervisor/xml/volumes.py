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
_YEAR_1_S, _YEAR_10000_S = -62_135_596_800, 253_402_300_800
_TIME = re.compile(r"([0-9]{1,20})(\.[0-9]{1,9})?")
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
        capacity_bytes=_bytes(root, "capacity"),
        allocation_bytes=_bytes(root, "allocation"),
        physical_bytes=_bytes(root, "physical"),
        backing_store=_backing_store(root),
        permissions=document.permissions(target),
        modified_at_s=_time_s(timestamps, "mtime"),
        # 0: the file system does not say.
        born_at_s=_time_s(timestamps, "btime") or None,
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
        cluster_size_bytes=_bytes(target, "clusterSize"),
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
    """Read a size that is asked for: TOO_LARGE."""
    size_bytes = _bytes(parent, tag)
    if size_bytes is not None and size_bytes > _LARGEST_BYTES:
        stated = f"{(text(parent, tag) or '').strip()} {attribute(parent, tag, 'unit') or ''}".strip()
        message = f"{tag} {stated} is more than libvirt can hold"
        raise ModelError(Reason.TOO_LARGE, message, metadata={"field": tag, "value": stated})
    return size_bytes


def _bytes(parent: Element | None, tag: str) -> int | None:
    """Read any size: a broken image may say that it has more than there can be."""
    value = text(parent, tag)
    if value is None:
        return None
    unit = attribute(parent, tag, "unit") or ""
    scale = _scale(unit)
    if scale is None or not re.fullmatch(r"\s*\+?[0-9]{1,30}", value):
        raise document.malformed(f"<{tag}> {value[:50]!r} {unit[:20]!r} is not a size")
    return int(value) * scale


def _time_s(timestamps: Element | None, tag: str) -> float | None:
    """Read a point in time; None: it is not stated, or lies in no year that people count."""
    stated = _TIME.fullmatch(text(timestamps, tag) or "")
    if stated is None:
        return None
    # libvirt writes what lies before 1970 as a number without a sign, of 64 bits.
    whole_s = int(stated[1])
    time_s = (whole_s if whole_s < 2**63 else whole_s - 2**64) + float(stated[2] or 0)
    return time_s if _YEAR_1_S <= time_s < _YEAR_10000_S else None


def _scale(unit: str) -> int | None:
    """What libvirt multiplies by: `KB` is 1000, `K` and `KiB` are 1024, in either case; None for no unit of its."""
    lower = unit.lower()
    if lower in {"", "b", "byte", "bytes"}:
        return 1
    power = _POWERS.get(lower[0])
    if power is None or lower[1:] not in {"", "b", "ib"}:
        return None
    return int(1000**power if lower[1:] == "b" else 1024**power)
