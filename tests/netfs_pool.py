"""A netfs pool of an embedded host, on a stand-in's share: its definition, and what is mounted on its target."""

from __future__ import annotations

from pathlib import Path

from poolfleet import PoolSpec
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.nfs_server import NullNfsServer
from scripts.embedded.standin import NetfsStandIn


def netfs_pool(name: str, host: EmbeddedHost, share: NetfsStandIn, server: NullNfsServer) -> PoolSpec:
    """Its definition; the server is the one that answers for the share."""
    return PoolSpec.netfs(
        name,
        host=share.host,
        path=share.path,
        target=str(host.pools_dir / name),
        options=[f"port={server.port}"],
    )


def mount_ids(host: EmbeddedHost, pool: str) -> list[str]:
    """The kernel's ids of what is mounted on its target, one for each layer."""
    lines = Path(f"/proc/{host.libvirtd.pid}/mountinfo").read_text().splitlines()
    return [line.split()[0] for line in lines if f" {host.pools_dir / pool} " in line]
