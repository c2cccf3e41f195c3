"""What the tests of the lab share: its exports as pools, and waiting for what a host says of them."""

from __future__ import annotations

from collections.abc import Sequence

from poolfleet import AgentClient, PoolfleetError, PoolSpec
from poolfleet.types.pool import HealthStatus
from scripts.embedded.process import wait_until

MIB = 1024**2
# What holds natively may take ten times as long here: machines that are emulated, on one that others keep busy.
SLOWER = 10.0
# Two probes missed, each of which is given 10 s here, and the pause between two.
NOTICED_LIMIT_S = 120.0
ASKED_EVERY_S = 0.5
# Files belong to qemu's user, qemu may write although it locks, and a server that is silent is given up soon.
SMB_OPTIONS = ("uid=libvirt-qemu", "gid=libvirt-qemu", "nobrl", "echo_interval=2")


def share(
    name: str = "vm_data", *, export: str = "", host: str = "nfs.lab", options: Sequence[str] = (), version: str = ""
) -> PoolSpec:
    """The export, by default of the pool's own name, as a pool; `version`: of the protocol, empty is negotiated."""
    return PoolSpec.netfs(
        name,
        host=host,
        path=f"/srv/nfs/{export or name}",
        target=f"/srv/pools/{name}",
        options=options,
        protocol_version=version,
    )


def smb(name: str = "smb", *, path: str = "vm_data", options: Sequence[str] = SMB_OPTIONS) -> PoolSpec:
    """A share of the SMB server as a pool; by default its files are qemu's."""
    target = f"/srv/pools/{name}"
    return PoolSpec.netfs(name, host="nfs.lab", path=path, target=target, format="cifs", options=options)


def gluster(name: str = "gluster") -> PoolSpec:
    """The gluster volume as a pool."""
    target = f"/srv/pools/{name}"
    return PoolSpec.netfs(name, host="nfs.lab", path="/vm_data", target=target, format="glusterfs")


def local(name: str = "local") -> PoolSpec:
    """A pool on the host's own disk."""
    return PoolSpec.dir(name, target=f"/srv/pools/{name}")


def health(agent: AgentClient, pool: str = "vm_data") -> HealthStatus | None:
    """What the agent says of the pool now; None: nothing, or it does not answer."""
    try:
        found = agent.pools.get(pool).health
    except PoolfleetError:
        return None
    return None if found is None else found.status


def answers(agent: AgentClient, *pools: str) -> bool:
    """Whether the agent answers, and has these pools."""
    try:
        return {pool.name for pool in agent.pools.list()} >= set(pools)
    except PoolfleetError:
        return False


def wait_for(agent: AgentClient, status: HealthStatus, pool: str = "vm_data", *, limit_s: float) -> None:
    """Return when the agent says this of the pool; raises NotReadyError."""
    wait_until(
        lambda: health(agent, pool) is status, limit_s=limit_s, what=f"{pool} is {status}", every_s=ASKED_EVERY_S
    )
