"""How the sources of pools must look. What is said here later reaches mount, mkfs, iscsiadm and their like, and
resolvers, as plain arguments.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any

from poolfleet_agent.model.errors import invalid_field
from poolfleet_agent.model.names import check_absolute_path
from poolfleet_agent.model.pool_source import (
    FcHostAdapter,
    NetfsSource,
    PoolSource,
    ScsiHostAdapter,
    SourceAuth,
    SourceHost,
)

NETFS_FORMATS = frozenset({"auto", "nfs", "cifs", "glusterfs"})
HIGHEST_PORT = 65535
_WORD = re.compile(r"[A-Za-z0-9_+./:@=%~#][A-Za-z0-9_+./:@=%~#\-]{0,250}")
_WWN = re.compile(r"[0-9A-Fa-f]{16}")
_PCI_ADDRESS = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]")
_HAS_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HOST = re.compile(
    r"[A-Za-z0-9_]([A-Za-z0-9_.\-]{0,251}[A-Za-z0-9_.])?|\[[0-9A-Fa-f:.]{2,45}(%[A-Za-z0-9_.\-]{1,32})?\]"
)


def check_server(field: str, host: str) -> None:
    """Refuse what can be the name of no server: INVALID_FIELD."""
    if not _HOST.fullmatch(host):
        raise invalid_field(field, "must be a host name, an IPv4 address, or an IPv6 address in brackets", value=host)


def check_source(source: PoolSource) -> None:
    """Refuse a source that cannot be one of its type: INVALID_FIELD."""
    checks = _OF_NETFS if isinstance(source, NetfsSource) else _CHECKS
    for field in fields(source):
        name, value = f"source.{field.name}", getattr(source, field.name)
        if field.default is MISSING and not value:
            raise invalid_field(name, "must not be empty")
        if value not in (None, ()):
            checks[field.name](name, value)
    if isinstance(source, NetfsSource):
        relative = source.format in {"cifs", "glusterfs"}
        check_absolute_path("source.path", f"/{source.path.lstrip('/')}" if relative else source.path)


def _check_word(field: str, value: str) -> None:
    """Names of all sorts: one word, that no program takes for an option."""
    if not _WORD.fullmatch(value):
        raise invalid_field(field, "must be one word, and not begin with -", value=value)


def _check_device(field: str, device: str) -> None:
    if device.startswith("/"):
        check_absolute_path(field, device)
    else:
        _check_word(field, device)


def _check_host(field: str, host: SourceHost) -> None:
    bare_address = ":" in host.name and not host.name.startswith("[")
    check_server(f"{field}.name", f"[{host.name}]" if bare_address else host.name)
    if host.port is not None and not 0 < host.port <= HIGHEST_PORT:
        raise invalid_field(f"{field}.port", f"must be 1 to {HIGHEST_PORT}", value=str(host.port))


def _each(check: Callable[[str, Any], None]) -> Callable[[str, tuple[Any, ...]], None]:
    def check_all(field: str, values: tuple[Any, ...]) -> None:
        for value in values:
            check(field, value)

    return check_all


def _check_auth(field: str, auth: SourceAuth) -> None:
    _check_word(f"{field}.type", auth.type)
    _check_word(f"{field}.username", auth.username)
    if (auth.secret_uuid is None) == (auth.secret_usage is None):
        raise invalid_field(f"{field}.secret", "must be named, by secret_uuid or secret_usage")
    if _HAS_CONTROL.search(auth.secret_usage or ""):
        raise invalid_field(f"{field}.secret_usage", "must not contain control characters")


def _check_adapter(field: str, adapter: ScsiHostAdapter | FcHostAdapter) -> None:
    if isinstance(adapter, FcHostAdapter):
        for name in ("wwnn", "wwpn", "parent_wwnn", "parent_wwpn", "parent_fabric_wwn"):
            value = getattr(adapter, name)
            if value is not None and not _WWN.fullmatch(value):
                raise invalid_field(f"{field}.{name}", "must be 16 hexadecimal digits", value=value)
        if adapter.parent is not None:
            _check_word(f"{field}.parent", adapter.parent)
        return
    if (adapter.name is None) == (adapter.parent_address is None):
        raise invalid_field(field, "must have a name or a parent_address")
    if adapter.name is not None:
        _check_word(f"{field}.name", adapter.name)
    elif not _PCI_ADDRESS.fullmatch(adapter.parent_address or ""):
        text = "must be a PCI address such as 0000:00:1f.2"
        raise invalid_field(f"{field}.parent_address", text, value=adapter.parent_address or "")


def _check_config_option(field: str, option: tuple[str, str]) -> None:
    name, value = option
    _check_word(f"{field}.name", name)
    if _HAS_CONTROL.search(value) or not value:
        raise invalid_field(f"{field}.value", "must be one line")


def _one_of(words: frozenset[str]) -> Callable[[str, str], None]:
    def check(field: str, value: str) -> None:
        if value not in words:
            raise invalid_field(field, f"must be one of {', '.join(sorted(words))}", value=value)

    return check


_CHECKS: Mapping[str, Callable[[str, Any], None]] = {
    "name": _check_word,
    "host": _check_host,
    "hosts": _each(_check_host),
    "device": _check_device,
    "devices": _each(_check_device),
    "part_separator": lambda _field, _value: None,
    "path": check_absolute_path,
    "format": _check_word,
    "initiator": _check_word,
    "auth": _check_auth,
    "adapter": _check_adapter,
    "config_options": _each(_check_config_option),
    "volume_allocation": _one_of(frozenset({"default", "capacity"})),
}
_OF_NETFS: Mapping[str, Callable[[str, Any], None]] = {
    "host": check_server,
    "path": lambda _field, _value: None,
    "format": _one_of(NETFS_FORMATS),
}
