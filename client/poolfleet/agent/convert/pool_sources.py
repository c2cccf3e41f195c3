"""The sources of pools, both ways: a field of the message is the field of that name of the class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from poolfleet.types.pool_source import (
    SOURCES,
    FcHostAdapter,
    PoolSource,
    ScsiHostAdapter,
    SourceAuth,
    SourceHost,
)
from poolfleet.v1 import pool_pb2

_KINDS = {pool_type.replace("-", "_"): kind for pool_type, kind in SOURCES.items()}
_ARMS = {kind: arm for arm, kind in _KINDS.items()}


def source_of(message: pool_pb2.Pool | pool_pb2.PoolSpec) -> PoolSource | None:
    """What a pool takes its volumes from; None where the agent does not say."""
    arm = message.WhichOneof("source")
    return None if arm is None else _KINDS[arm](**_values(getattr(message, arm), _KINDS[arm]))


def source_has_more(message: pool_pb2.Pool) -> bool:
    """Whether the agent says more of the source than this contract has."""
    arm = message.WhichOneof("source")
    if arm is None:
        return False
    said = getattr(message, arm)
    known = type(said).FromString(said.SerializeToString())
    known.DiscardUnknownFields()
    return bool(known.ByteSize() != said.ByteSize())


def write_source(source: PoolSource | None, spec: pool_pb2.PoolSpec) -> None:
    """Write a source into the spec that it is of."""
    if source is not None:
        inside = getattr(spec, _ARMS[type(source)])
        inside.SetInParent()
        inside.MergeFrom(_message(type(inside), source))


def _values(message: Any, kind: Callable[..., Any]) -> dict[str, Any]:
    return {field.name: _value(message, field.name) for field in fields(kind)}  # type: ignore[arg-type]


def _value(message: Any, field: str) -> Any:
    """The value of a field: None where it is unset, and has a way to say so."""
    if field == "adapter":
        return _adapter(message)
    value = getattr(message, field)
    if message.DESCRIPTOR.fields_by_name[field].has_presence and not message.HasField(field):
        # Of the two names of a secret one is unset.
        return "" if isinstance(value, str) else None
    if field in {"hosts", "devices", "config_options"}:
        return tuple(_item(item) for item in value)
    return _item(value)


def _item(value: Any) -> Any:
    match value:
        case pool_pb2.SourceHost():
            return SourceHost(value.name, port=value.port)
        case pool_pb2.SourceAuth():
            return SourceAuth(**_values(value, SourceAuth))
        case pool_pb2.RbdSource.ConfigOption():
            return value.name, value.value
    return value


def _adapter(message: pool_pb2.ScsiSource) -> ScsiHostAdapter | FcHostAdapter:
    if message.HasField("fc_host"):
        return FcHostAdapter(**_values(message.fc_host, FcHostAdapter))
    return ScsiHostAdapter(**_values(message.scsi_host, ScsiHostAdapter))


def _message(kind: Callable[..., Any], value: Any) -> Any:
    """The message with the fields of a class, without those that are not stated."""
    stated = {field.name: getattr(value, field.name) for field in fields(value)}
    return kind(**{_name(name, one): _written(one) for name, one in stated.items() if one is not None and one != ""})


def _name(field: str, value: Any) -> str:
    """The name of a field in the message: each kind of adapter has its own."""
    if field == "adapter":
        return "fc_host" if isinstance(value, FcHostAdapter) else "scsi_host"
    return field


def _written(value: Any) -> Any:
    match value:
        case SourceHost() | SourceAuth() | ScsiHostAdapter() | FcHostAdapter():
            return _message(getattr(pool_pb2, type(value).__name__), value)
        case tuple():
            return [_written_item(item) for item in value]
    return value


def _written_item(item: Any) -> Any:
    if isinstance(item, tuple):
        name, value = item
        return pool_pb2.RbdSource.ConfigOption(name=name, value=value)
    return _written(item)
