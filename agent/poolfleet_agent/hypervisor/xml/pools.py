"""Pool documents: what PoolDefinition has a place for, and the rest kept as it is."""

from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element

from poolfleet_agent.hypervisor.xml import document
from poolfleet_agent.hypervisor.xml.document import attribute, only, text
from poolfleet_agent.model.names import check_uuid
from poolfleet_agent.model.pool import DirSource, NetfsSource, PoolDefinition, PoolSource, RemoteSource

_FS = "{http://libvirt.org/schemas/storagepool/fs/1.0}"

_REMOTE_TYPES = frozenset({"gluster", "rbd", "iscsi", "iscsi-direct", "sheepdog"})

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
        source=_parse_source(pool_type, source),
        target_path=text(target, "path"),
        target_permissions=document.permissions(target),
        mount_options=None if options is None else tuple(_option(element) for element in options),
        protocol_version=attribute(source, "protocol", "ver"),
        remote=_parse_remote(pool_type, source),
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


def _parse_source(pool_type: str, source: Element | None) -> PoolSource | None:
    if pool_type == "dir":
        return DirSource()
    if pool_type != "netfs":
        return None
    host, path = attribute(source, "host", "name"), attribute(source, "dir", "path")
    if not host or not path:
        raise document.malformed("a netfs pool must have <source><host name=…/><dir path=…/></source>")
    return NetfsSource(host=host, path=path, format=attribute(source, "format", "type"))


def _parse_remote(pool_type: str, source: Element | None) -> RemoteSource | None:
    """Read where a network pool lies, as far as it is said: such a pool may be addressed by its name all the same."""
    if source is None or pool_type not in _REMOTE_TYPES:
        return None
    hosts = tuple(host for element in source.findall("host") if (host := element.get("name")))
    if pool_type in {"iscsi", "iscsi-direct"}:
        path = attribute(source, "device", "path")
    else:
        path = text(source, "name")
    folder = (attribute(source, "dir", "path") or "").strip("/") if pool_type == "gluster" else ""
    return RemoteSource(hosts=hosts, path=f"{path}/{folder}" if folder else path) if hosts and path else None


def _option(element: Element) -> str:
    name = element.get("name")
    if element.tag != f"{_FS}option" or not name:
        raise document.malformed("<fs:mount_opts> must have <fs:option name=…/> only")
    return name


def _edit(root: Element, definition: PoolDefinition) -> None:
    root.set("type", definition.type)
    _child(root, "name").text = definition.name
    if definition.uuid is not None:
        _child(root, "uuid").text = definition.uuid
    if isinstance(definition.source, NetfsSource):
        source = _child(root, "source")
        _child(source, "host").set("name", definition.source.host)
        _child(source, "dir").set("path", definition.source.path)
        if definition.source.format is not None:
            _child(source, "format").set("type", definition.source.format)
    if definition.protocol_version is not None:
        _child(_child(root, "source"), "protocol").set("ver", definition.protocol_version)
    if definition.target_path is not None:
        _child(_child(root, "target"), "path").text = definition.target_path
    if definition.target_permissions is not None:
        target = _child(root, "target")
        _remove(target, "permissions")
        document.append_permissions(target, definition.target_permissions)
    if definition.mount_options is not None:
        _remove(root, f"{_FS}mount_opts")
        options = _child(root, f"{_FS}mount_opts")
        for option in definition.mount_options:
            ET.SubElement(options, f"{_FS}option").set("name", option)


def _child(parent: Element, tag: str) -> Element:
    found = only(parent, tag)
    return ET.SubElement(parent, tag) if found is None else found


def _remove(parent: Element, tag: str) -> None:
    for element in parent.findall(tag):
        parent.remove(element)
