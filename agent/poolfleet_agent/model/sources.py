"""How the sources of pools must look. What is said here later reaches mount and resolvers as plain arguments."""

import re

from poolfleet_agent.model.errors import invalid_field
from poolfleet_agent.model.names import check_absolute_path
from poolfleet_agent.model.pool import NetfsSource

NETFS_FORMATS = frozenset({"auto", "nfs", "cifs", "glusterfs"})
_HOST = re.compile(
    r"[A-Za-z0-9_]([A-Za-z0-9_.\-]{0,251}[A-Za-z0-9_.])?|\[[0-9A-Fa-f:.]{2,45}(%[A-Za-z0-9_.\-]{1,32})?\]"
)


def check_server(field: str, host: str) -> None:
    """Refuse what can be the name of no server: INVALID_FIELD."""
    if not _HOST.fullmatch(host):
        raise invalid_field(field, "must be a host name, an IPv4 address, or an IPv6 address in brackets", value=host)


def check_netfs_source(source: NetfsSource) -> None:
    """Refuse a server, export or format that cannot be one: INVALID_FIELD."""
    check_server("source.host", source.host)
    if source.format == "cifs":
        check_absolute_path("source.path", "/" + source.path.lstrip("/"))
    else:
        check_absolute_path("source.path", source.path)
    if source.format is not None and source.format not in NETFS_FORMATS:
        raise invalid_field("source.format", f"must be one of {', '.join(sorted(NETFS_FORMATS))}", value=source.format)
