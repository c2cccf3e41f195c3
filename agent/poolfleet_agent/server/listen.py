"""Where the agent listens: a UNIX socket that only its group can open, and TCP that is loopback or mutual TLS."""

import errno
import grp
import os
import socket
import stat
from pathlib import Path

import grpc

from poolfleet_agent.config.addresses import is_loopback, split_address
from poolfleet_agent.config.load import ConfigurationError
from poolfleet_agent.config.settings import Listen, Settings
from poolfleet_agent.server.tls import CertificateSource

LONGEST_MESSAGE_BYTES = 4 * 1024 * 1024
_NO_COMPRESSION_BITS = 1
_SHORTEST_PING_INTERVAL_MS = 10_000

OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", LONGEST_MESSAGE_BYTES),
    ("grpc.max_send_message_length", LONGEST_MESSAGE_BYTES),
    # gRPC unpacks a message before it looks at its size: 500 KB could become 500 MB.
    ("grpc.compression_enabled_algorithms_bitset", _NO_COMPRESSION_BITS),
    ("grpc.max_concurrent_streams", 256),
    # Clients ping as often as this, with no call open too; without it the server hangs up on them.
    ("grpc.http2.min_ping_interval_without_data_ms", _SHORTEST_PING_INTERVAL_MS),
    ("grpc.keepalive_permit_without_calls", 1),
    # Finds watchers whose machine is gone.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # Two agents on one port would share its connections between them.
    ("grpc.so_reuseport", 0),
)


def listen(server: grpc.aio.Server, settings: Settings) -> list[str]:
    """Open every configured address and tell them as clients spell them; raises ConfigurationError."""
    addresses: list[str] = []
    if settings.listen.unix:
        addresses.append(_listen_unix(server, settings.listen))
    if settings.listen.tcp:
        addresses.append(_listen_tcp(server, settings))
    return addresses


def _listen_unix(server: grpc.aio.Server, options: Listen) -> str:
    path = Path(options.unix)
    gid = _group_id(options.unix_group)
    try:
        path.parent.mkdir(mode=0o755, exist_ok=True)
        _clear(path)
        _bind_closed(server, path)
        if gid is not None:
            os.chown(path, -1, gid)
        path.chmod(options.unix_mode_bits)
    except OSError as error:
        raise ConfigurationError([f"listen.unix: {path}: {error.strerror}"]) from error
    return f"unix:{path}"


def _group_id(name: str) -> int | None:
    if not name:
        return None
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError as error:
        raise ConfigurationError([f"listen.unix_group: this host has no group {name}"]) from error


def _clear(path: Path) -> None:
    """Remove the socket of an agent that is gone; refuse one that is alive, and whatever is no socket."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ConfigurationError([f"listen.unix: {path} is there and is no socket; it is left alone"])
    with socket.socket(socket.AF_UNIX) as probe:
        # A hung agent's queue may be full: that is EAGAIN here, and it is alive.
        probe.setblocking(False)
        if probe.connect_ex(str(path)) != errno.ECONNREFUSED:
            raise ConfigurationError([f"listen.unix: another process answers on {path}; is an agent running already?"])
    path.unlink(missing_ok=True)


def _bind_closed(server: grpc.aio.Server, path: Path) -> None:
    """Bind so that the socket is open to its owner alone until group and mode are set."""
    before = os.umask(0o177)
    try:
        server.add_insecure_port(f"unix:{path}")
    except RuntimeError as error:
        raise ConfigurationError([f"listen.unix: {path} cannot be bound: {error}"]) from error
    finally:
        os.umask(before)


def _listen_tcp(server: grpc.aio.Server, settings: Settings) -> str:
    address = settings.listen.tcp
    host, _ = split_address(address)
    try:
        if settings.tls.configured:
            port = server.add_secure_port(address, CertificateSource(settings.tls).credentials())
        elif is_loopback(host):
            port = server.add_insecure_port(address)
        else:
            raise ConfigurationError([f"listen.tcp: {address} needs [tls]: other machines reach it"])
    except RuntimeError as error:
        raise ConfigurationError([f"listen.tcp: {address} cannot be bound: {error}"]) from error
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
