"""Where a pool's volumes come from, for eyes: in a few words, and field by field."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from poolfleet.cli.output import text
from poolfleet.cli.output.answers import Kind
from poolfleet.types.pool_source import (
    DiskSource,
    FcHostAdapter,
    FsSource,
    GlusterSource,
    IscsiDirectSource,
    IscsiSource,
    LogicalSource,
    NetfsSource,
    RbdSource,
    ScsiHostAdapter,
    ScsiSource,
    SourceAuth,
    VstorageSource,
    ZfsSource,
)

if TYPE_CHECKING:
    from poolfleet.cli.output.fields import Field
    from poolfleet.types.pool import Pool
    from poolfleet.types.pool_source import PoolSource


def source_text(pool: Pool) -> str:
    """`server:/export`, `mon1,mon2:vms`, a device, a volume group; else the directory."""
    match pool.source:
        case NetfsSource(host=host, path=path):
            return f"{host}:{path}"
        case FsSource(device=device) | DiskSource(device=device):
            return device
        case LogicalSource(name=name) | ZfsSource(name=name) | VstorageSource(name=name):
            return name or pool.name
        case IscsiSource(host=server, device=device) | IscsiDirectSource(host=server, device=device):
            return f"{server}:{device}"
        case RbdSource() | GlusterSource() as cluster:
            return f"{','.join(map(str, cluster.hosts))}:{_in_cluster(cluster, pool.name)}"
        case ScsiSource(adapter=adapter):
            return _adapter(adapter)
    return pool.target.path if pool.target else ""


def source_lines(source: PoolSource | None) -> Sequence[Field]:
    """What the few words leave out, each in a line."""
    if source is None:
        return ()
    lines = ((name, getattr(source, field, None)) for field, name in _NAMES.items())
    return [
        (name, _WRITTEN.get(name, _plain)(value), Kind.TEXT) for name, value in lines if value not in (None, "", ())
    ]


def _in_cluster(source: RbdSource | GlusterSource, pool: str) -> str:
    path = source.path.strip("/") if isinstance(source, GlusterSource) else ""
    return f"{source.name or pool}/{path}" if path else source.name or pool


def _adapter(adapter: ScsiHostAdapter | FcHostAdapter) -> str:
    if isinstance(adapter, FcHostAdapter):
        return f"{adapter.wwnn}:{adapter.wwpn}"
    return adapter.name or f"{adapter.parent_address}#{adapter.unique_id}"


def _adapter_in_full(adapter: ScsiHostAdapter | FcHostAdapter) -> str:
    kind = "fc_host" if isinstance(adapter, FcHostAdapter) else "scsi_host"
    stated = ((field.name, getattr(adapter, field.name)) for field in fields(adapter))
    words = (f"{name}={_plain(value)}" for name, value in stated if value or value is False)
    return " ".join((kind, *words))


def _auth(auth: SourceAuth) -> str:
    secret = f"usage {auth.secret_usage}" if auth.secret_usage else auth.secret_uuid
    return f"{auth.username} ({auth.type}), secret {secret}"


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return text.yes_no(value)
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


_NAMES = {
    "format": "Format",
    "devices": "Devices",
    "part_separator": "Part separator",
    "initiator": "Initiator",
    "auth": "Logs in as",
    "adapter": "Adapter",
    "config_options": "Ceph options",
    "volume_allocation": "Allocation",
}
_WRITTEN: Mapping[str, Callable[[Any], str]] = {
    "Logs in as": _auth,
    "Adapter": _adapter_in_full,
    "Ceph options": lambda options: ",".join(f"{name}={value}" for name, value in options),
}
