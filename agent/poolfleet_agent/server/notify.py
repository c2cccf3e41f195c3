"""Tells systemd that the agent is ready or stopping (sd_notify); nothing where it was not started by systemd."""

import os
import socket

import structlog

_log = structlog.stdlib.get_logger(__name__)


def ready() -> None:
    """Say that the agent answers."""
    _tell("READY=1")


def stopping() -> None:
    """Say that the agent drains."""
    _tell("STOPPING=1")


def _tell(state: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.setblocking(False)
            channel.sendto(state.encode(), address)
    except OSError as error:
        _log.warning("systemd could not be told", state=state, error=str(error))
