"""A host that boots while the server of a pool that starts by itself is silent, or its own network is late."""

from __future__ import annotations

import pytest

from poolfleet import VolumeSpec
from poolfleet.types.pool import HealthStatus, PoolState
from scripts.embedded.process import wait_until
from scripts.virtual_lab.lab import Lab
from tests.lab.shares import ASKED_EVERY_S, MIB, answers, local, share, wait_for

AT_ONCE_S = 300.0
"""For the machine to load the agent's code; the agent itself waits for nothing."""
LIBVIRT_WITHIN_S = 100.0
"""Freed within 15 s of its start, and long before mount.nfs itself would give up, after two minutes and more."""
BACK_LIMIT_S = 180.0


def test_beside_a_silent_share_the_agent_answers_and_libvirt_is_freed_and_the_pool_comes_up_after_its_server(
    healthy: Lab,
) -> None:
    host = healthy.hosts[0]
    with host.agent() as agent:
        for spec in (share(), local()):
            agent.pools.ensure(spec, autostart=True)
        agent.volumes.create("vm_data", VolumeSpec("seen.raw", capacity_bytes=MIB, allocation_bytes=0))
    host.ssh("sync")
    healthy.server.silent()
    host.reset()
    host.wait_booted()
    # Not wait_agent, which waits until libvirt has been seen: what it knew before the boot it tells at once.
    with host.agent() as agent:
        wait_until(
            lambda: answers(agent, "vm_data", "local"),
            limit_s=AT_ONCE_S,
            what="the agent answers",
            every_s=ASKED_EVERY_S,
        )
        done = host.virsh_within(LIBVIRT_WITHIN_S, "list")
        assert done is not None, "virsh list hangs"
        assert done.status == 0
        wait_for(agent, HealthStatus.HEALTHY, "local", limit_s=BACK_LIMIT_S)
        assert agent.pools.get("vm_data", max_staleness_s=0).state is PoolState.INACTIVE
        healthy.server.heal()
        wait_for(agent, HealthStatus.HEALTHY, limit_s=BACK_LIMIT_S)
        assert host.mounts() == ["/srv/pools/vm_data"]
        assert [volume.name for volume in agent.volumes.list("vm_data")] == ["seen.raw"]
        agent.volumes.delete("vm_data", "seen.raw")


@pytest.mark.full
def test_where_the_network_comes_up_late_so_does_the_pool(healthy: Lab) -> None:
    host = healthy.hosts[0]
    with host.agent() as agent:
        agent.pools.ensure(share(), autostart=True)
    host.ssh("touch /lab/network-is-late && sync")
    try:
        host.reset()
        host.wait_booted()
        host.wait_agent()
        with host.agent() as agent:
            assert agent.pools.get("vm_data", max_staleness_s=0).state is PoolState.INACTIVE
            host.ssh("ip link set eth1 up")
            wait_for(agent, HealthStatus.HEALTHY, limit_s=BACK_LIMIT_S)
    finally:
        host.ssh("rm -f /lab/network-is-late; ip link set eth1 up")
