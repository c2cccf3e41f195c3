"""What a client needs to reach an agent that listens on TCP off loopback."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class TLS:
    """Files of a mutual TLS connection, PEM each. They are read when the channel is made."""

    ca: Path
    """Certificates that the agent's own is checked against."""
    cert: Path
    """The client's certificate, with its chain."""
    key: Path
    """The client's private key."""
    server_name: str = ""
    """Name that the agent's certificate carries; empty: the host of the target."""
