"""A netfs pool of an embedded host, on a stand-in's share: its definition, and what is mounted on its target."""

from __future__ import annotations

import subprocess
from pathlib import Path

from poolfleet import PoolSpec
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.nfs_server import NullNfsServer
from scripts.embedded.process import wait_until
from scripts.embedded.standin import NetfsStandIn

LIMIT_S = 30.0


def netfs_pool(name: str, host: EmbeddedHost, share: NetfsStandIn, server: NullNfsServer) -> PoolSpec:
    """Its definition; the server is the one that answers for the share."""
    return PoolSpec.netfs(
        name,
        host=share.host,
        path=share.path,
        target=str(host.pools_dir / name),
        options=[f"port={server.port}"],
    )


def unmount(host: EmbeddedHost, target: Path) -> None:
    """Unmount what is uppermost there, behind everybody's back, as soon as nobody looks at it."""
    command = host.libvirtd.surroundings.command(["umount", str(target)])

    def unmounted() -> bool:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S)
        assert done.returncode == 0 or "busy" in done.stderr, done.stderr
        return done.returncode == 0

    wait_until(unmounted, limit_s=LIMIT_S, what=f"{target} is unmounted")


def mount_ids(host: EmbeddedHost, pool: str) -> list[str]:
    """The kernel's ids of what is mounted on its target, one for each layer."""
    lines = Path(f"/proc/{host.libvirtd.pid}/mountinfo").read_text().splitlines()
    return [line.split()[0] for line in lines if f" {host.pools_dir / pool} " in line]
