"""A mounted share that goes silent: known within two missed probes, harmless to all else, healthy again by itself."""

from __future__ import annotations

import pytest

from poolfleet import AgentClient, PoolfleetError, PoolSpec, Unavailable, VolumeSpec
from poolfleet.types.pool import HealthStatus
from scripts.embedded.process import wait_until
from scripts.virtual_lab.lab import Lab

NOTICED_LIMIT_S = 120
BACK_LIMIT_S = 120
MIB = 1024**2


def health(agent: AgentClient) -> HealthStatus | None:
    try:
        found = agent.pools.get("vm_data").health
    except PoolfleetError:
        return None
    return None if found is None else found.status


def test_it_holds_up_nothing_else_and_is_back_with_its_server(healthy: Lab) -> None:
    host = healthy.hosts[0]
    with host.agent() as agent:
        agent.pools.ensure(PoolSpec.dir("local", target="/srv/pools/local"))
        share = PoolSpec.netfs("vm_data", host="nfs.lab", path="/srv/nfs/vm_data", target="/srv/pools/vm_data")
        agent.pools.ensure(share)
        agent.volumes.create("vm_data", VolumeSpec("seen.raw", capacity_bytes=MIB, allocation_bytes=0))
        healthy.server.silent()
        wait_until(
            lambda: health(agent) is HealthStatus.UNRESPONSIVE,
            limit_s=NOTICED_LIMIT_S,
            what="the agent knows that the share is silent",
        )
        assert [volume.name for volume in agent.volumes.list("vm_data")] == ["seen.raw"]
        with pytest.raises(Unavailable) as refused:
            agent.volumes.create("vm_data", VolumeSpec("more.raw", capacity_bytes=MIB))
        assert refused.value.reason == "POOL_UNRESPONSIVE"
        assert {pool.name for pool in agent.pools.list()} >= {"local", "vm_data"}
        agent.pools.refresh("local")
        assert "local" in host.virsh("pool-info", "local")
        healthy.server.heal()
        wait_until(
            lambda: health(agent) is HealthStatus.HEALTHY, limit_s=BACK_LIMIT_S, what="the share is healthy again"
        )
        agent.volumes.delete("vm_data", "seen.raw")
