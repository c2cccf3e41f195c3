"""One share of a kernel NFS server on two hosts, and what libvirt alone makes of a server that fails."""

from __future__ import annotations

import time

import pytest

from poolfleet import Fleet, VolumeSpec
from poolfleet.types.pool import HealthStatus, PoolState
from scripts.virtual_lab.lab import Lab
from tests.lab.shares import MIB, share


def test_the_agents_answer_by_the_unit_that_the_project_ships(lab: Lab) -> None:
    for host in lab.hosts:
        assert host.ssh("systemctl is-active poolfleet-agent").strip() == "active"
        with host.agent() as agent:
            assert agent.get().registry_loaded
        assert "poolfleet" in host.metrics()


def test_a_volume_made_on_one_host_is_seen_on_the_other(healthy: Lab) -> None:
    one, other = healthy.hosts
    with Fleet.from_file(healthy.file) as fleet:
        ensured = fleet.ensure_pool(share())
        ensured.raise_for_failures()
        for outcome in ensured.values():
            assert outcome.value
            assert outcome.value.pool.state is PoolState.RUNNING
            assert set(outcome.value.changes) >= {"defined", "built", "started"}
    with one.agent() as first, other.agent() as second:
        first.volumes.create("vm_data", VolumeSpec("seen.raw", capacity_bytes=MIB, allocation_bytes=0))
        second.pools.refresh("vm_data")
        assert second.volumes.get("vm_data", "seen.raw").capacity_bytes == MIB
        first_pool, second_pool = first.pools.get("vm_data"), second.pools.get("vm_data")
        assert first_pool.storage and second_pool.storage
        assert first_pool.storage.id == second_pool.storage.id
        first.volumes.delete("vm_data", "seen.raw")
    assert healthy.server.ssh("ls /srv/nfs/vm_data").split() == []
    assert one.mounts() == ["/srv/pools/vm_data"]


@pytest.mark.cell("netfs", "define", "build", "start", "volume", "erase")
def test_virsh_shows_what_the_agent_made(healthy: Lab) -> None:
    host = healthy.hosts[0]
    with host.agent() as agent:
        agent.pools.define(share())
        assert "/srv/nfs/vm_data" in host.virsh("pool-dumpxml", "vm_data")
        agent.pools.build("vm_data")
        agent.pools.start("vm_data")
        assert host.mounts() == ["/srv/pools/vm_data"]
        agent.volumes.create("vm_data", VolumeSpec("disk.qcow2", capacity_bytes=MIB, format="qcow2"))
        assert "disk.qcow2" in host.virsh("vol-list", "vm_data")
        assert [volume.name for volume in agent.volumes.list("vm_data", max_staleness_s=0)] == ["disk.qcow2"]
        agent.volumes.delete("vm_data", "disk.qcow2")
        assert "disk.qcow2" not in host.virsh("vol-list", "vm_data")
        agent.pools.stop("vm_data")
        assert host.mounts() == []
        agent.pools.erase("vm_data")
        assert host.ssh_any("test -e /srv/pools/vm_data").status != 0


@pytest.mark.full
def test_libvirt_alone_hangs_on_a_silent_server_and_the_host_with_it(healthy: Lab) -> None:
    host = healthy.hosts[0]
    host.virsh("pool-define-as", "plain", "netfs", "nfs.lab", "/srv/nfs/vm_data", "--target", "/srv/pools/plain")
    host.virsh("pool-build", "plain")
    host.virsh("pool-start", "plain")
    healthy.server.silent()
    host.ssh("setsid virsh pool-refresh plain >/dev/null 2>&1 </dev/null &")
    time.sleep(5)
    assert host.virsh_within(20, "pool-list") is None
    healthy.server.heal()
    assert "plain" in host.virsh("pool-list", timeout_s=240)


@pytest.mark.full
def test_the_servers_exports_are_what_they_say(lab: Lab) -> None:
    host = lab.hosts[0]
    host.ssh("mkdir -p /mnt/try")
    for export, can_write in (("vm_data", True), ("read_only", False), ("squashed", False), ("squashed0750", False)):
        host.ssh(f"mount -t nfs nfs.lab:/srv/nfs/{export} /mnt/try")
        try:
            assert (host.ssh_any("touch /mnt/try/x && rm /mnt/try/x").status == 0) is can_write, export
        finally:
            host.ssh("umount /mnt/try")


@pytest.mark.full
def test_a_killed_server_comes_back_with_its_files(healthy: Lab) -> None:
    healthy.server.ssh("touch /srv/nfs/vm_data/kept && sync")
    healthy.server.reset()
    healthy.server.wait_booted()
    healthy.server.wait_serving()
    assert "kept" in healthy.server.ssh("ls /srv/nfs/vm_data")
    healthy.server.ssh("rm /srv/nfs/vm_data/kept")
    with healthy.hosts[0].agent() as agent:
        agent.pools.ensure(share())
        pool = agent.pools.get("vm_data")
        assert pool.health is None or pool.health.status in (HealthStatus.HEALTHY, HealthStatus.UNKNOWN)
