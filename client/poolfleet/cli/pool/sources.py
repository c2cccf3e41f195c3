"""From the options that tell where a pool's volumes come from to its typed source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, replace
from typing import TYPE_CHECKING, Any

from poolfleet.cli.session import UsageError
from poolfleet.types.pool_source import (
    SOURCES,
    FcHostAdapter,
    NetfsSource,
    PoolSource,
    ScsiHostAdapter,
    SourceAuth,
    SourceHost,
)

if TYPE_CHECKING:
    from poolfleet.cli.pool.definitions import Wanted

# The first of several options is the one that a missing source is asked for by.
_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "host": ("source_host",),
    "hosts": ("source_host",),
    "path": ("source_path",),
    "device": ("source_dev",),
    "devices": ("source_dev",),
    "name": ("source_name",),
    "format": ("source_format",),
    "initiator": ("source_initiator",),
    "auth": ("auth_username", "auth_type", "secret_usage", "secret_uuid"),
    "adapter": ("adapter",),
    "config_options": ("config_option",),
}


def options_of(pool_type: str) -> frozenset[str]:
    """The options that the source of a type is made of."""
    return frozenset(name for field in fields(SOURCES[pool_type]) for name in _OPTIONS.get(field.name, ()))


def source(wanted: Wanted) -> PoolSource:
    """Read the source; raises UsageError where an option is missing, or given once too often."""
    kind = SOURCES[wanted.type]
    missing = [_OPTIONS[field.name][0] for field in fields(kind) if _is_needed(field) and not _given(wanted, field)]
    if missing:
        words = " and ".join(f"--{_spelt(name)}" for name in missing)
        raise UsageError(f"a pool of type {wanted.type} needs {words}")
    return kind(**_stated(wanted, kind))


def changed(source: PoolSource | None, wanted: Wanted) -> PoolSource:
    """Put what the options say in the place of what a source has; raises UsageError where it has no such part."""
    if source is None:
        raise UsageError(
            f"pool {wanted.name} is of type {wanted.type}, and has no typed source: use --file or `pool edit`"
        )
    stated = _stated(wanted, type(source))
    unfitting = wanted.given() - options_of(wanted.type) - {"name", "type"}
    if unfitting:
        words = " and ".join(sorted(f"--{_spelt(name)}" for name in unfitting))
        raise UsageError(f"a pool of type {wanted.type} has no {words}")
    return replace(source, **stated)


def _stated(wanted: Wanted, kind: type[PoolSource]) -> dict[str, Any]:
    stated = {field.name: _VALUES[field.name](wanted) for field in fields(kind) if _given(wanted, field)}
    if kind is NetfsSource and "host" in stated:
        stated["host"] = _one(wanted, "source_host")
    return stated


def _is_needed(field: Field[Any]) -> bool:
    return field.default is MISSING


def _given(wanted: Wanted, field: Field[Any]) -> bool:
    return any(getattr(wanted, name) for name in _OPTIONS.get(field.name, ()))


def _one(wanted: Wanted, option: str) -> str:
    values: tuple[str, ...] = getattr(wanted, option)
    if len(values) > 1:
        raise UsageError(f"a pool of type {wanted.type} takes one --{_spelt(option)}")
    return values[0]


def _spelt(option: str) -> str:
    return "adapter-name" if option == "adapter" else option.replace("_", "-")


def _auth(wanted: Wanted) -> SourceAuth:
    if not wanted.auth_username:
        raise UsageError("who logs in? say --auth-username, and --secret-usage or --secret-uuid")
    return SourceAuth(
        type=wanted.auth_type,
        username=wanted.auth_username,
        secret_usage=wanted.secret_usage,
        secret_uuid=wanted.secret_uuid,
    )


def adapter_of(wanted: Wanted) -> ScsiHostAdapter | FcHostAdapter:
    """As virsh does: a name is that of a SCSI host, WWNs are those of a Fibre Channel adapter. Raises UsageError where
    it is neither, or both."""
    given: dict[str, Any] = dict(wanted.adapter)
    name = given.pop("name", "")
    if name and not given:
        return ScsiHostAdapter(name=name)
    if name or not {"wwnn", "wwpn"} <= given.keys():
        raise UsageError("which adapter? say --adapter-name, or --adapter-wwnn and --adapter-wwpn")
    return FcHostAdapter(**given)


def config_option(text: str) -> tuple[str, str]:
    """Read `NAME=VALUE`. Raises UsageError."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise UsageError(f"--config-option {text!r}: write NAME=VALUE")
    return name, value


_VALUES: Mapping[str, Callable[[Wanted], Any]] = {
    "host": lambda wanted: SourceHost.parse(_one(wanted, "source_host")),
    "hosts": lambda wanted: tuple(SourceHost.parse(host) for host in wanted.source_host),
    "path": lambda wanted: wanted.source_path,
    "device": lambda wanted: _one(wanted, "source_dev"),
    "devices": lambda wanted: wanted.source_dev,
    "name": lambda wanted: wanted.source_name,
    "format": lambda wanted: wanted.source_format,
    "initiator": lambda wanted: wanted.source_initiator,
    "auth": _auth,
    "adapter": adapter_of,
    "config_options": lambda wanted: tuple(config_option(each) for each in wanted.config_option),
}
