"""Pool documents: what PoolDefinition has a place for, and the rest kept as it is."""

from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element

from poolfleet_agent.hypervisor.xml import document
from poolfleet_agent.hypervisor.xml.document import attribute, child, only, remove, text, yes_no
from poolfleet_agent.hypervisor.xml.pool_sources import edit_source, parse_source
from poolfleet_agent.model.names import check_uuid
from poolfleet_agent.model.pool import PoolDefinition

_FS = "{http://libvirt.org/schemas/storagepool/fs/1.0}"

ET.register_namespace("fs", _FS[1:-1])


def parse_pool(xml: str) -> PoolDefinition:
    """Read a pool document: INVALID_FIELD."""
    root = document.read(xml, "pool")
    pool_type = root.get("type")
    if not pool_type:
        raise document.malformed("<pool> must have a type")
    # libvirt takes the source's name where the pool has none of its own.
    name = text(root, "name") or text(only(root, "source"), "name")
    if not name:
        raise document.malformed("must have a <name>")
    uuid = text(root, "uuid")
    source, target = only(root, "source"), only(root, "target")
    options = only(root, f"{_FS}mount_opts")
    return PoolDefinition(
        name=name,
        type=pool_type,
        uuid=None if uuid is None else check_uuid("uuid", uuid),
        source=parse_source(pool_type, root),
        target_path=text(target, "path"),
        target_permissions=document.permissions(target),
        mount_options=None if options is None else tuple(_option(element) for element in options),
        protocol_version=attribute(source, "protocol", "ver"),
        cow=_parse_cow(root),
        vendor=attribute(source, "vendor", "name") or None,
        product=attribute(source, "product", "name") or None,
    )


def render_pool(definition: PoolDefinition) -> str:
    """Write a pool document."""
    root = ET.Element("pool")
    _edit(root, definition)
    return document.write(root)


def edit_pool(xml: str, definition: PoolDefinition) -> str:
    """Write into a document what `definition` states, and keep all else."""
    root = document.read(xml, "pool")
    _edit(root, definition)
    return document.write(root)


def _parse_cow(root: Element) -> bool | None:
    state = attribute(only(root, "features"), "cow", "state")
    return None if state is None else state == "yes"


def _option(element: Element) -> str:
    name = element.get("name")
    if element.tag != f"{_FS}option" or not name:
        raise document.malformed("<fs:mount_opts> must have <fs:option name=…/> only")
    return name


def _edit(root: Element, definition: PoolDefinition) -> None:
    root.set("type", definition.type)
    child(root, "name").text = definition.name
    if definition.uuid is not None:
        child(root, "uuid").text = definition.uuid
    if definition.source is not None:
        edit_source(root, definition.source)
    for tag, name in (("vendor", definition.vendor), ("product", definition.product)):
        if name is not None:
            child(child(root, "source"), tag).set("name", name)
    if definition.cow is not None:
        child(child(root, "features"), "cow").set("state", yes_no(definition.cow))
    if definition.protocol_version:
        child(child(root, "source"), "protocol").set("ver", definition.protocol_version)
    elif definition.protocol_version is not None and (source := only(root, "source")) is not None:
        remove(source, "protocol")
    _edit_target(root, definition)
    if definition.mount_options is not None:
        remove(root, f"{_FS}mount_opts")
    for option in definition.mount_options or ():
        ET.SubElement(child(root, f"{_FS}mount_opts"), f"{_FS}option").set("name", option)


def _edit_target(root: Element, definition: PoolDefinition) -> None:
    if definition.target_path is not None:
        child(child(root, "target"), "path").text = definition.target_path
    if definition.target_permissions is not None:
        target = child(root, "target")
        remove(target, "permissions")
        document.append_permissions(target, definition.target_permissions)
