"""The sources of pools between API and model: a field of the one is the field of that name of the other."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any

from poolfleet.v1 import pool_pb2
from poolfleet_agent.model.errors import invalid_field
from poolfleet_agent.model.names import check_uuid
from poolfleet_agent.model.pool_source import (
    SOURCES,
    FcHostAdapter,
    PoolSource,
    ScsiHostAdapter,
    SourceAuth,
    SourceHost,
)

_ARMS = {kind: pool_type.replace("-", "_") for pool_type, kind in SOURCES.items()}


def source_from(spec: pool_pb2.PoolSpec) -> tuple[str, PoolSource]:
    """Read what a spec takes its volumes from, and libvirt's name of that type: INVALID_FIELD."""
    arm = spec.WhichOneof("source")
    if arm is None:
        raise invalid_field("spec.source", "must be set; pools of types that have no typed form are defined by xml")
    pool_type = arm.replace("_", "-")
    kind, message = SOURCES[pool_type], getattr(spec, arm)
    stated = {
        field.name: _READ.get(field.name, _plain(field.name))(message)
        for field in fields(kind)
        if field.default is MISSING or _is_stated(message, field.name)
    }
    return pool_type, kind(**stated)


def source_to(source: PoolSource | None, message: pool_pb2.Pool | pool_pb2.PoolSpec) -> None:
    """Write a source into the pool or spec that it is of."""
    if source is None:
        return
    inside = getattr(message, _ARMS[type(source)])
    inside.SetInParent()
    for field in fields(source):
        value = getattr(source, field.name)
        if value not in (None, ()):
            _write(inside, field.name, value)


def _is_stated(message: Any, field: str) -> bool:
    described = message.DESCRIPTOR.fields_by_name[field]
    return message.HasField(field) if described.has_presence else bool(getattr(message, field))


def _plain(field: str) -> Callable[[Any], Any]:
    return lambda message: getattr(message, field)


def _host_from(host: pool_pb2.SourceHost) -> SourceHost:
    return SourceHost(name=host.name, port=host.port or None)


def _auth_from(source: pool_pb2.IscsiSource | pool_pb2.IscsiDirectSource | pool_pb2.RbdSource) -> SourceAuth:
    auth = source.auth
    usual = "ceph" if isinstance(source, pool_pb2.RbdSource) else "chap"
    return SourceAuth(
        type=auth.type or usual,
        username=auth.username,
        secret_uuid=check_uuid("spec.source.auth.secret_uuid", auth.secret_uuid) if auth.secret_uuid else None,
        secret_usage=auth.secret_usage or None,
    )


def _adapter_from(source: pool_pb2.ScsiSource) -> ScsiHostAdapter | FcHostAdapter | None:
    match source.WhichOneof("adapter"):
        case "scsi_host":
            host = source.scsi_host
            address = host.parent_address or None
            return ScsiHostAdapter(name=host.name or None, parent_address=address, unique_id=host.unique_id)
        case "fc_host":
            adapter = source.fc_host
            return FcHostAdapter(
                wwnn=adapter.wwnn,
                wwpn=adapter.wwpn,
                parent=adapter.parent or None,
                parent_wwnn=adapter.parent_wwnn or None,
                parent_wwpn=adapter.parent_wwpn or None,
                parent_fabric_wwn=adapter.parent_fabric_wwn or None,
                managed=adapter.managed if adapter.HasField("managed") else None,
            )
    return None


_READ: Mapping[str, Callable[[Any], Any]] = {
    # That of netfs is a name alone.
    "host": lambda message: message.host if isinstance(message.host, str) else _host_from(message.host),
    "hosts": lambda message: tuple(_host_from(host) for host in message.hosts),
    "devices": lambda message: tuple(message.devices),
    "auth": _auth_from,
    "adapter": _adapter_from,
    "config_options": lambda message: tuple((option.name, option.value) for option in message.config_options),
}


def _write(message: Any, field: str, value: Any) -> None:
    match value:
        case SourceHost():
            message.host.CopyFrom(_message_of(pool_pb2.SourceHost, value))
        case SourceAuth():
            message.auth.CopyFrom(_message_of(pool_pb2.SourceAuth, value))
        case ScsiHostAdapter():
            message.scsi_host.CopyFrom(_message_of(pool_pb2.ScsiHostAdapter, value))
        case FcHostAdapter():
            message.fc_host.CopyFrom(_message_of(pool_pb2.FcHostAdapter, value))
        case tuple():
            getattr(message, field).extend(_ITEMS.get(field, str)(item) for item in value)
        case _:
            setattr(message, field, value)


def _message_of(kind: Callable[..., Any], value: SourceHost | SourceAuth | ScsiHostAdapter | FcHostAdapter) -> Any:
    """The message with the same fields; None leaves one unset."""
    return kind(**{field.name: getattr(value, field.name) for field in fields(value)})


_ITEMS: Mapping[str, Callable[[Any], Any]] = {
    "hosts": lambda host: _message_of(pool_pb2.SourceHost, host),
    "config_options": lambda option: pool_pb2.RbdSource.ConfigOption(name=option[0], value=option[1]),
}
