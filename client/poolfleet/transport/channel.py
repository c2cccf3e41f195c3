"""How a channel to an agent is made: keepalive, reconnection, credentials, and retries of reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import grpc

from poolfleet.types.connection import TLS
from poolfleet.types.errors import InvalidArgument
from poolfleet.v1 import (
    agent_service_pb2,
    inventory_service_pb2,
    operation_service_pb2,
    pool_service_pb2,
    secret_service_pb2,
    volume_service_pb2,
)

# An agent allows pings this often (`grpc.http2.min_ping_interval_without_data_ms` is at or below it).
KEEPALIVE_S = 20
# The calls that are repeated by the channel; all others are repeated by retries.py or not at all, never by both.
READ_PREFIXES = ("Get", "List", "Lookup", "Probe", "Discover")

_FILES = (
    agent_service_pb2,
    inventory_service_pb2,
    operation_service_pb2,
    pool_service_pb2,
    secret_service_pb2,
    volume_service_pb2,
)


def reads() -> list[dict[str, str]]:
    """Every read of the contract, as a service config names methods."""
    return [
        {"service": service.full_name, "method": method.name}
        for file in _FILES
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
        if method.name.startswith(READ_PREFIXES)
    ]


_SERVICE_CONFIG = json.dumps(
    {
        "methodConfig": [
            {
                "name": reads(),
                "retryPolicy": {
                    "maxAttempts": 4,
                    "initialBackoff": "0.1s",
                    "maxBackoff": "2s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ]
    }
)

# gRPC adds its own jitter of a fifth to each delay of a reconnection.
_OPTIONS: Sequence[tuple[str, Any]] = (
    ("grpc.service_config", _SERVICE_CONFIG),
    ("grpc.keepalive_time_ms", KEEPALIVE_S * 1000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.initial_reconnect_backoff_ms", 250),
    ("grpc.min_reconnect_backoff_ms", 10_000),
    ("grpc.max_reconnect_backoff_ms", 15_000),
    # Agents are hosts of one's own network: a proxy for the web does not lead there.
    ("grpc.enable_http_proxy", 0),
)


def make(target: str, tls: TLS | None) -> grpc.aio.Channel:
    """Make the channel for `unix:/path/of.sock` or `host:port`; nothing is connected before the first call.

    Raises InvalidArgument (INVALID_FIELD) where a file of `tls` cannot be read.
    """
    if tls is None:
        return grpc.aio.insecure_channel(target, options=_OPTIONS)
    credentials = _credentials(_read(tls.ca), _read(tls.key), _read(tls.cert))
    name = [("grpc.ssl_target_name_override", tls.server_name)] if tls.server_name else []
    return grpc.aio.secure_channel(target, credentials, options=[*_OPTIONS, *name])


@lru_cache(maxsize=8)
def _credentials(ca: bytes, key: bytes, cert: bytes) -> grpc.ChannelCredentials:
    """One object for all channels with these: gRPC prepares certificates and key once for each object."""
    return grpc.ssl_channel_credentials(root_certificates=ca, private_key=key, certificate_chain=cert)


def _read(path: Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InvalidArgument(f"{path} cannot be read: {error.strerror}", reason="INVALID_FIELD") from error
