"""A TCP port of loopback for who has to be told one before he listens on it."""

from __future__ import annotations

import random
import socket
from pathlib import Path

_GIVEN_BY_KERNEL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 10_000
_TRIES = 100


def free_port(host: str = "127.0.0.1") -> int:
    """One on which nobody listens now, and that no connection of anybody's gets meanwhile.

    A port that the kernel has chosen is one that it chooses again, for the next who connects somewhere.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    lowest_given = int(_GIVEN_BY_KERNEL.read_text().split()[0])
    for port in random.sample(range(_LOWEST, lowest_given), _TRIES):
        with socket.socket(family) as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue  # it is taken
        return port
    raise OSError(f"no free port among {_TRIES} below {lowest_given}")
