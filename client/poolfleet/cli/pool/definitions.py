"""From the options of `pool define` and its like, which are virsh's, to what the client is asked for."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from poolfleet.cli.parsing import permissions
from poolfleet.cli.pool.sources import adapter_of, config_option, options_of, source
from poolfleet.cli.session import UsageError
from poolfleet.types.pool_source import SOURCES, ScsiHostAdapter, SourceHost
from poolfleet.types.pool_spec import USUAL_TARGETS

if TYPE_CHECKING:
    from poolfleet.types.pool_spec import PoolSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A pool as options describe it; empty and None: not given."""

    name: str
    type: str
    source_host: tuple[str, ...] = ()
    source_path: str = ""
    source_dev: tuple[str, ...] = ()
    source_name: str = ""
    source_format: str = ""
    source_initiator: str = ""
    protocol_version: str = ""
    target: str = ""
    mode: str = ""
    owner: int | None = None
    group: int | None = None
    uuid: str = ""
    mount_option: tuple[str, ...] = ()
    auth_type: str = ""
    auth_username: str = ""
    secret_usage: str = ""
    secret_uuid: str = ""
    adapter: tuple[tuple[str, str], ...] = ()
    config_option: tuple[str, ...] = ()
    cow: bool | None = None

    def spec(self) -> PoolSpec:
        """What the client is asked for: typed, where the type has all that is given; else by XML, as virsh does."""
        from poolfleet.types.pool_spec import PoolMount, PoolSpec, PoolTarget

        if not self._is_typed():
            return PoolSpec.from_xml(self.xml())
        path, rights = self._path(), permissions(self.mode or None, self.owner, self.group)
        if not path and self.type in {"dir", "fs", "netfs", "vstorage"}:
            raise UsageError(f"a pool of type {self.type} needs --target")
        mounted = bool(self.mount_option or self.protocol_version)
        return PoolSpec(
            self.name,
            uuid=self.uuid,
            source=source(self),
            target=PoolTarget(path=path, permissions=rights) if path or rights else None,
            mount=PoolMount(options=self.mount_option, protocol_version=self.protocol_version) if mounted else None,
            cow=self.cow,
        )

    def _is_typed(self) -> bool:
        if self.type not in SOURCES:
            return False
        fitting = options_of(self.type) | {"name", "type", "uuid", "cow"}
        if self.type in {"fs", "netfs"}:
            fitting |= {"mount_option", "protocol_version"}
        if self.type not in {"rbd", "gluster", "iscsi-direct"}:
            fitting |= {"target", "mode", "owner", "group"}
        return fitting >= self.given()

    def given(self) -> set[str]:
        """The options that were given."""
        return {field.name for field in fields(self) if getattr(self, field.name) not in ("", None, ())}

    def _path(self) -> str:
        return self.target or USUAL_TARGETS.get(self.type, "")

    def xml(self) -> str:
        """Write libvirt's document, as virsh does with --print-xml."""
        pool = ET.Element("pool", type=self.type)
        _child(pool, "name", self.name)
        _child(pool, "uuid", self.uuid)
        if self.cow is not None:
            ET.SubElement(ET.SubElement(pool, "features"), "cow", state="yes" if self.cow else "no")
        inside = ET.Element("source")
        for host in map(SourceHost.parse, self.source_host):
            _attributes(inside, "host", name=host.name, port=str(host.port or ""))
        _attributes(inside, "dir", path=self.source_path)
        for device in self.source_dev:
            _attributes(inside, "device", path=device)
        _attributes(inside, "adapter", **self._adapter())
        if self.source_initiator:
            _attributes(ET.SubElement(inside, "initiator"), "iqn", name=self.source_initiator)
        if self.auth_username:
            usual = "ceph" if self.type == "rbd" else "chap"
            auth = ET.SubElement(inside, "auth", type=self.auth_type or usual, username=self.auth_username)
            _attributes(auth, "secret", usage=self.secret_usage, uuid=self.secret_uuid)
        _child(inside, "name", self.source_name)
        _attributes(inside, "format", type=self.source_format)
        _attributes(inside, "protocol", ver=self.protocol_version)
        if len(inside):
            pool.append(inside)
        rights = ET.Element("permissions")
        _child(rights, "mode", self.mode)
        _child(rights, "owner", "" if self.owner is None else str(self.owner))
        _child(rights, "group", "" if self.group is None else str(self.group))
        if self._path() or len(rights):
            target = ET.SubElement(pool, "target")
            _child(target, "path", self._path())
            if len(rights):
                target.append(rights)
        for tag, options in (("fs:mount_opts", self.mount_option), ("rbd:config_opts", self.config_option)):
            _namespaced(pool, tag, options)
        ET.indent(pool)
        return ET.tostring(pool, encoding="unicode")

    def _adapter(self) -> dict[str, str]:
        if not self.adapter:
            return {}
        is_host = isinstance(adapter_of(self), ScsiHostAdapter)
        return {"type": "scsi_host" if is_host else "fc_host", **dict(self.adapter)}


def _namespaced(pool: ET.Element, tag: str, options: Sequence[str]) -> None:
    """Write options in the namespace of their pool type: words, or `NAME=VALUE`."""
    prefix, _, name = tag.partition(":")
    if not options:
        return
    pool.set(f"xmlns:{prefix}", f"http://libvirt.org/schemas/storagepool/{prefix}/1.0")
    parent = ET.SubElement(pool, tag)
    for option in options:
        word, value = config_option(option) if name == "config_opts" else (option, "")
        _attributes(parent, f"{prefix}:option", name=word, value=value)


def _child(parent: ET.Element, tag: str, content: str) -> None:
    if content:
        ET.SubElement(parent, tag).text = content


def _attributes(parent: ET.Element, tag: str, /, **values: str) -> None:
    given = {name: value for name, value in values.items() if value}
    if given:
        ET.SubElement(parent, tag, given)


def document(file: str) -> str:
    """Read an XML file; `-` is standard input. Raises UsageError where it cannot be read."""
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"{file}: {reason}") from error
