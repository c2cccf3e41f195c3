"""From the options of `pool define` and its like, which are virsh's, to what the client is asked for."""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from poolfleet.cli.parsing import mode_bits
from poolfleet.cli.session import UsageError

if TYPE_CHECKING:
    from poolfleet.types.pool_spec import PoolSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A pool as options describe it; empty and None: not given."""

    name: str
    type: str
    source_host: str = ""
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

    def spec(self) -> PoolSpec:
        """What the client is asked for: typed for dir and netfs, by XML for every other type."""
        from poolfleet.types.pool import PoolSpec
        from poolfleet.types.volume import Permissions

        given = bool(self.mode) or self.owner is not None or self.group is not None
        mode = mode_bits(self.mode) if self.mode else None
        permissions = Permissions(mode=mode, owner=self.owner, group=self.group) if given else None
        extra = self._given() - {"name", "type", "target", "uuid", "mode", "owner", "group"}
        match self.type:
            case "dir" if not extra:
                self._require("target")
                return PoolSpec.dir(self.name, target=self.target, permissions=permissions, uuid=self.uuid)
            case "netfs" if extra <= {
                "source_host",
                "source_path",
                "source_format",
                "protocol_version",
                "mount_option",
            }:
                self._require("source_host", "source_path", "target")
                return PoolSpec.netfs(
                    self.name,
                    host=self.source_host,
                    path=self.source_path,
                    target=self.target,
                    format=self.source_format or "nfs",
                    options=self.mount_option,
                    protocol_version=self.protocol_version,
                    permissions=permissions,
                    uuid=self.uuid,
                )
        return PoolSpec.from_xml(self.xml())

    def _given(self) -> set[str]:
        return {field.name for field in fields(self) if getattr(self, field.name) not in ("", None, ())}

    def _require(self, *names: str) -> None:
        missing = [f"--{name.replace('_', '-')}" for name in names if not getattr(self, name)]
        if missing:
            raise UsageError(f"a pool of type {self.type} needs {' and '.join(missing)}")

    def xml(self) -> str:
        """Write libvirt's document, as virsh does with --print-xml."""
        pool = ET.Element("pool", type=self.type)
        _child(pool, "name", self.name)
        _child(pool, "uuid", self.uuid)
        source = ET.Element("source")
        _attributes(source, "host", name=self.source_host)
        _attributes(source, "dir", path=self.source_path)
        for device in self.source_dev:
            _attributes(source, "device", path=device)
        _attributes(source, "adapter", **dict(self.adapter))
        if self.source_initiator:
            _attributes(ET.SubElement(source, "initiator"), "iqn", name=self.source_initiator)
        if self.auth_type:
            auth = ET.SubElement(source, "auth", type=self.auth_type, username=self.auth_username)
            _attributes(auth, "secret", usage=self.secret_usage, uuid=self.secret_uuid)
        _child(source, "name", self.source_name)
        _attributes(source, "format", type=self.source_format)
        _attributes(source, "protocol", ver=self.protocol_version)
        if len(source):
            pool.append(source)
        if self.target or self.mode or self.owner is not None or self.group is not None:
            target = ET.SubElement(pool, "target")
            _child(target, "path", self.target)
            permissions = ET.Element("permissions")
            _child(permissions, "mode", self.mode)
            _child(permissions, "owner", "" if self.owner is None else str(self.owner))
            _child(permissions, "group", "" if self.group is None else str(self.group))
            if len(permissions):
                target.append(permissions)
        ET.indent(pool)
        return ET.tostring(pool, encoding="unicode")


def _child(parent: ET.Element, tag: str, content: str) -> None:
    if content:
        ET.SubElement(parent, tag).text = content


def _attributes(parent: ET.Element, tag: str, **values: str) -> None:
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
