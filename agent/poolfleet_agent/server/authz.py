"""Who calls. Whoever reaches the agent may use all of it: the socket's mode and the client CA decide who that is."""

from collections.abc import Iterable, Mapping
from typing import Any

import grpc

UNIX = "unix"
LOOPBACK = "loopback"


def caller_of(context: grpc.aio.ServicerContext[Any, Any]) -> str:
    """`unix` (gRPC does not tell the peer's uid), `loopback` (TCP, no TLS), or `tls:` and the certificate's name."""
    if is_local(context):
        return UNIX
    name = _certificate_name(context.auth_context())
    return f"tls:{name}" if name else LOOPBACK


def is_local(context: grpc.aio.ServicerContext[Any, Any]) -> bool:
    """Whether the call came over the UNIX socket."""
    return context.peer().startswith("unix:")


def _certificate_name(identity: Mapping[str, Iterable[bytes]]) -> str:
    for key in ("x509_common_name", "x509_subject_alternative_name"):
        names = [value.decode("utf-8", "backslashreplace") for value in identity.get(key, ())]
        if names and names[0]:
            return names[0]
    return "unnamed" if "x509_pem_cert" in identity else ""
