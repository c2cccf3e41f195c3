"""libvirt's documents about sources that pools could have: where it is to look, and what it found."""

from collections.abc import Sequence
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element

from poolfleet_agent.hypervisor.xml import document
from poolfleet_agent.model.discovery import DiscoveredSource, SourceQuery


def render_query(query: SourceQuery) -> str:
    """Write where libvirt is to look; empty: on the host itself."""
    root = Element("source")
    if query.host:
        host = ET.SubElement(root, "host", name=query.host)
        if query.port:
            host.set("port", str(query.port))
    if query.initiator:
        ET.SubElement(ET.SubElement(root, "initiator"), "iqn", name=query.initiator)
    if query.format:
        ET.SubElement(root, "format", type=query.format)
    return ET.tostring(root, encoding="unicode") if len(root) else ""


def parse_sources(xml: str) -> Sequence[DiscoveredSource]:
    """Read what libvirt found: INVALID_FIELD."""
    return tuple(_source(element) for element in document.read(xml, "sources").iterfind("source"))


def _source(element: Element) -> DiscoveredSource:
    devices = (device.get("path", "") for device in element.iterfind("device"))
    folder, host = element.find("dir"), element.find("host")
    return DiscoveredSource(
        host=host.get("name", "") if host is not None else "",
        path=folder.get("path", "") if folder is not None else "",
        name=(element.findtext("name") or "").strip(),
        devices=tuple(path for path in devices if path),
        xml=ET.tostring(element, encoding="unicode").strip(),
    )
