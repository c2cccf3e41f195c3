"""libvirt's document of a volume, as a typed description asks for it: what --print-xml shows."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element

if TYPE_CHECKING:
    from poolfleet.types.volume import BackingStore, Permissions, VolumeEncryption, VolumeSpec


def volume_xml(spec: VolumeSpec) -> str:
    """Write it; a description that is a document already stays as it is."""
    if spec.xml:
        return spec.xml
    volume = ET.Element("volume")
    ET.SubElement(volume, "name").text = spec.name
    ET.SubElement(volume, "capacity").text = str(spec.capacity_bytes)
    if spec.allocation_bytes is not None:
        ET.SubElement(volume, "allocation").text = str(spec.allocation_bytes)
    target = ET.SubElement(volume, "target")
    if spec.format:
        ET.SubElement(target, "format", type=spec.format)
    if spec.permissions:
        _append_permissions(target, spec.permissions)
    if spec.encryption:
        _append_encryption(target, spec.encryption)
    _append_layout(target, spec)
    if spec.backing_store:
        _append_backing_store(volume, spec.backing_store)
    ET.indent(volume)
    return ET.tostring(volume, encoding="unicode")


def _append_permissions(target: Element, stated: Permissions) -> None:
    permissions = ET.SubElement(target, "permissions")
    for name, value in (("owner", stated.owner), ("group", stated.group)):
        if value is not None:
            ET.SubElement(permissions, name).text = str(value)
    if stated.mode is not None:
        ET.SubElement(permissions, "mode").text = f"{stated.mode:04o}"


def _append_encryption(target: Element, stated: VolumeEncryption) -> None:
    encryption = ET.SubElement(target, "encryption", format=stated.format)
    named = {"uuid": stated.secret.uuid} if stated.secret.uuid else {"usage": stated.secret.usage_id}
    ET.SubElement(encryption, "secret", {"type": "passphrase", **named})


def _append_layout(target: Element, spec: VolumeSpec) -> None:
    if spec.compat:
        ET.SubElement(target, "compat").text = spec.compat
    if spec.cluster_size_bytes is not None:
        ET.SubElement(target, "clusterSize", unit="B").text = str(spec.cluster_size_bytes)
    if spec.nocow:
        ET.SubElement(target, "nocow")
    if spec.features:
        features = ET.SubElement(target, "features")
        for name in spec.features:
            ET.SubElement(features, name)


def _append_backing_store(volume: Element, stated: BackingStore) -> None:
    backing = ET.SubElement(volume, "backingStore")
    ET.SubElement(backing, "path").text = stated.path
    if stated.format:
        ET.SubElement(backing, "format", type=stated.format)
