"""The lab's network: which addresses there are, and how qemu is told of the links.

Server and hosts have one network, whose links are UNIX sockets of this machine. Besides, each machine has a port of
127.0.0.1 for each of its services that are asked from outside.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SERVER = "server"
HOSTS = ("host1", "host2")

SERVER_ADDRESS = "10.77.0.1"
SERVER_ADDRESSES = (f"{SERVER_ADDRESS}/24", "10.77.0.2/24", "fd77::1/64")

SSH_PORT = 22
AGENT_PORT = 7443
METRICS_PORT = 9464
PORTS = {SERVER: (SSH_PORT,), **dict.fromkeys(HOSTS, (SSH_PORT, AGENT_PORT, METRICS_PORT))}

HOSTS_FILE = f"""\
127.0.0.1 localhost
::1 localhost
{SERVER_ADDRESS} server nfs.lab
10.77.0.2 nfs-second.lab
fd77::1 nfs6.lab
{SERVER_ADDRESS} nfs-all.lab
10.77.0.2 nfs-all.lab
fd77::1 nfs-all.lab
10.77.0.11 host1
10.77.0.12 host2
"""


def host_addresses(name: str) -> tuple[str, ...]:
    """What a host has on the lab's network."""
    last = 11 + HOSTS.index(name)
    return f"10.77.0.{last}/24", f"fd77::{last}/64"


@dataclass(frozen=True, slots=True)
class Link:
    """A cable between the server and one host: the socket that one of them opens and the other comes to."""

    path: Path
    number: int

    def server_end(self) -> list[str]:
        """What qemu is told at the end that has to be there first."""
        return self._nic(f"stream,id=link{self.number},server=on", end=1)

    def host_end(self) -> list[str]:
        """What qemu is told at the other end."""
        return self._nic(f"stream,id=link{self.number},server=off", end=2)

    def _nic(self, netdev: str, *, end: int) -> list[str]:
        mac = f"52:54:00:77:{end:02x}:{self.number:02x}"
        return [
            *("-netdev", f"{netdev},addr.type=unix,addr.path={self.path}"),
            *("-device", f"virtio-net-pci,netdev=link{self.number},mac={mac},romfile="),
        ]


def way_in(ports: Mapping[int, int]) -> list[str]:
    """What qemu is told of the card by which ports of the machine are reached at 127.0.0.1; `ports`: here by there."""
    forwards = "".join(f",hostfwd=tcp:127.0.0.1:{here}-:{there}" for there, here in ports.items())
    return ["-netdev", f"user,id=way_in,restrict=on{forwards}", "-device", "virtio-net-pci,netdev=way_in,romfile="]


def free_ports(wanted: Mapping[str, Sequence[int]]) -> dict[str, dict[int, int]]:
    """Free ports of 127.0.0.1 for these ports of the machines: here by there, by machine."""
    # All are held until all are found, or one could be found twice.
    with contextlib.ExitStack() as held:
        return {
            machine: {
                port: held.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for port in ports
            }
            for machine, ports in wanted.items()
        }
