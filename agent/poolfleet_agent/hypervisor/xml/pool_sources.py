"""The `<source>` of pool documents, and what else of them a typed source holds: an element for each of its fields.

A document that says more than the typed form has a place for, or lacks what that needs, has no typed source: libvirt
may have such a pool all the same, and it stays addressable.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import reduce
from typing import Any
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element

from poolfleet_agent.hypervisor.xml import document
from poolfleet_agent.hypervisor.xml.document import attribute, child, only, remove, text, yes_no
from poolfleet_agent.model.names import check_uuid
from poolfleet_agent.model.pool_source import (
    SOURCES,
    FcHostAdapter,
    NetfsSource,
    PoolSource,
    ScsiHostAdapter,
    SourceAuth,
    SourceHost,
)

RBD = "{http://libvirt.org/schemas/storagepool/rbd/1.0}"

ET.register_namespace("rbd", RBD[1:-1])

_YES_NO = {"yes": True, "no": False}
_FC_WORDS = ("wwnn", "wwpn", "parent", "parent_wwnn", "parent_wwpn", "parent_fabric_wwn")
_PCI = re.compile(r"([0-9a-f]{4}):([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])")


def parse_source(pool_type: str, root: Element) -> PoolSource | None:
    """Read the source of a `<pool>`; None: it has no typed form. INVALID_FIELD."""
    kind = SOURCES.get(pool_type)
    if kind is None:
        return None
    elements = _elements(kind)
    found = {field.name: elements[field.name].read(root) for field in fields(kind)}
    needed = [field.name for field in fields(kind) if field.default is MISSING]
    if all(found[name] for name in needed):
        return kind(**found)
    if kind is NetfsSource:
        raise document.malformed("a netfs pool must have <source><host name=…/><dir path=…/></source>")
    return None


def edit_source(root: Element, source: PoolSource) -> None:
    """Write what is stated of a source into a `<pool>`, and keep all else."""
    elements = _elements(type(source))
    for field in fields(source):
        value = getattr(source, field.name)
        if value not in (None, ()):
            elements[field.name].edit(root, value)


@dataclass(frozen=True, slots=True)
class _Element:
    """How one field is read from a `<pool>` (None, or empty: it is not stated), and written into one."""

    read: Callable[[Element], Any]
    edit: Callable[[Element, Any], None]


def _elements(kind: type[PoolSource]) -> Mapping[str, _Element]:
    return _OF_NETFS if kind is NetfsSource else _ELEMENTS


def _attribute(path: str, name: str) -> _Element:
    """An attribute of the element at a path below the root."""
    *above, tag = path.split("/")

    def read(root: Element) -> str | None:
        parent: Element | None = root
        for step in above:
            parent = only(parent, step)
        return attribute(parent, tag, name) or None

    def edit(root: Element, value: str) -> None:
        child(reduce(child, above, root), tag).set(name, value)

    return _Element(read, edit)


def _read_hosts(root: Element) -> tuple[SourceHost, ...]:
    """Read the servers; none where one has no name."""
    hosts = tuple(
        SourceHost(name=element.get("name", ""), port=_number(element, "port"))
        for element in root.iterfind("source/host")
    )
    return hosts if all(host.name for host in hosts) else ()


def _edit_hosts(root: Element, hosts: tuple[SourceHost, ...]) -> None:
    inside = child(root, "source")
    remove(inside, "host")
    for host in hosts:
        element = ET.SubElement(inside, "host", name=host.name)
        if host.port is not None:
            element.set("port", str(host.port))


def _read_devices(root: Element) -> tuple[str, ...]:
    return tuple(path for element in root.iterfind("source/device") if (path := element.get("path")))


def _edit_devices(root: Element, devices: tuple[str, ...]) -> None:
    """Write the devices; those that were there keep what else is said of them."""
    inside = child(root, "source")
    before = {element.get("path"): element for element in inside.findall("device")}
    remove(inside, "device")
    for path in devices:
        inside.append(before.get(path, ET.Element("device", path=path)))


def _only(read: Callable[[Element], tuple[Any, ...]]) -> Callable[[Element], Any]:
    """Read what is one; None where there are none or several."""

    def read_one(root: Element) -> Any:
        found = read(root)
        return found[0] if len(found) == 1 else None

    return read_one


def _read_part_separator(root: Element) -> bool | None:
    element = root.find("source/device")
    return None if element is None else _YES_NO.get(element.get("part_separator", ""))


def _edit_part_separator(root: Element, value: bool) -> None:
    child(child(root, "source"), "device").set("part_separator", yes_no(value))


def _edit_name(root: Element, name: str) -> None:
    child(child(root, "source"), "name").text = name


def _read_auth(root: Element) -> SourceAuth | None:
    auth = only(only(root, "source"), "auth")
    if auth is None:
        return None
    uuid = attribute(auth, "secret", "uuid")
    return SourceAuth(
        type=auth.get("type", ""),
        username=auth.get("username", ""),
        secret_uuid=check_uuid("uuid", uuid) if uuid else None,
        secret_usage=attribute(auth, "secret", "usage") or None,
    )


def _edit_auth(root: Element, auth: SourceAuth) -> None:
    inside = child(root, "source")
    remove(inside, "auth")
    element = ET.SubElement(inside, "auth", type=auth.type, username=auth.username)
    if auth.secret_uuid is not None:
        ET.SubElement(element, "secret", uuid=auth.secret_uuid)
    elif auth.secret_usage is not None:
        ET.SubElement(element, "secret", usage=auth.secret_usage)


def _read_adapter(root: Element) -> ScsiHostAdapter | FcHostAdapter | None:
    adapter = only(only(root, "source"), "adapter")
    if adapter is None:
        return None
    if adapter.get("type") == "fc_host":
        stated = {word: value for word in _FC_WORDS if (value := adapter.get(word))}
        managed = _YES_NO.get(adapter.get("managed", ""))
        return FcHostAdapter(managed=managed, **stated) if {"wwnn", "wwpn"} <= stated.keys() else None
    if name := adapter.get("name"):
        return ScsiHostAdapter(name=name)
    parent = only(adapter, "parentaddr")
    address = only(parent, "address")
    if parent is None or address is None:
        return None
    return ScsiHostAdapter(parent_address=_pci_address(address), unique_id=_number(parent, "unique_id") or 0)


def _pci_address(address: Element) -> str:
    try:
        domain, bus, slot, function = (int(address.get(part, "0"), 0) for part in ("domain", "bus", "slot", "function"))
    except ValueError:
        raise document.malformed("<parentaddr> must have a PCI address") from None
    return f"{domain:04x}:{bus:02x}:{slot:02x}.{function:x}"


def _edit_adapter(root: Element, adapter: ScsiHostAdapter | FcHostAdapter) -> None:
    inside = child(root, "source")
    remove(inside, "adapter")
    element = ET.SubElement(inside, "adapter")
    if isinstance(adapter, FcHostAdapter):
        element.set("type", "fc_host")
        for word in _FC_WORDS:
            if (value := getattr(adapter, word)) is not None:
                element.set(word, value)
        if adapter.managed is not None:
            element.set("managed", yes_no(adapter.managed))
        return
    element.set("type", "scsi_host")
    if adapter.name is not None:
        element.set("name", adapter.name)
    elif match := _PCI.fullmatch(adapter.parent_address or ""):
        parent = ET.SubElement(element, "parentaddr", unique_id=str(adapter.unique_id))
        parts = zip(("domain", "bus", "slot", "function"), match.groups(), strict=True)
        ET.SubElement(parent, "address", {name: f"0x{value}" for name, value in parts})


def _read_config_options(root: Element) -> tuple[tuple[str, str], ...]:
    options = only(root, f"{RBD}config_opts")
    return () if options is None else tuple(_config_option(element) for element in options)


def _config_option(element: Element) -> tuple[str, str]:
    name, value = element.get("name"), element.get("value")
    if element.tag != f"{RBD}option" or not name or value is None:
        raise document.malformed("<rbd:config_opts> must have <rbd:option name=… value=…/> only")
    return name, value


def _edit_config_options(root: Element, options: tuple[tuple[str, str], ...]) -> None:
    remove(root, f"{RBD}config_opts")
    element = child(root, f"{RBD}config_opts")
    for name, value in options:
        ET.SubElement(element, f"{RBD}option", name=name, value=value)


def _number(element: Element, name: str) -> int | None:
    """Read an attribute; libvirt takes 0 and less for "not stated"."""
    value = element.get(name, "0")
    if not re.fullmatch(r"-?[0-9]{1,9}", value):
        raise document.malformed(f"<{element.tag}> has the {name} {value[:50]!r}, which is no number")
    return int(value) if int(value) > 0 else None


_ELEMENTS: Mapping[str, _Element] = {
    "name": _Element(lambda root: text(only(root, "source"), "name") or None, _edit_name),
    "host": _Element(_only(_read_hosts), lambda root, host: _edit_hosts(root, (host,))),
    "hosts": _Element(_read_hosts, _edit_hosts),
    "device": _Element(_only(_read_devices), lambda root, device: _edit_devices(root, (device,))),
    "devices": _Element(_read_devices, _edit_devices),
    "part_separator": _Element(_read_part_separator, _edit_part_separator),
    "path": _attribute("source/dir", "path"),
    "format": _attribute("source/format", "type"),
    "initiator": _attribute("source/initiator/iqn", "name"),
    "auth": _Element(_read_auth, _edit_auth),
    "adapter": _Element(_read_adapter, _edit_adapter),
    "config_options": _Element(_read_config_options, _edit_config_options),
    "volume_allocation": _attribute("refresh/volume", "allocation"),
}
_OF_NETFS: Mapping[str, _Element] = {**_ELEMENTS, "host": _attribute("source/host", "name")}
