"""One server under several addresses and spellings is one storage, and a mount is what it is however it is spelt."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from poolfleet import AgentClient, FailedPrecondition, Fleet, VolumeSpec
from poolfleet.inventory.model import Inventory, InventoryStorage
from poolfleet.types.pool import HealthStatus, PoolState
from scripts.embedded.process import wait_until
from scripts.virtual_lab.host import Host
from scripts.virtual_lab.lab import Lab
from tests.lab.shares import ASKED_EVERY_S, MIB, NOTICED_LIMIT_S, share, wait_for

FOLDER = "/srv/nfs/vm_data"
TARGET = "/srv/pools/vm_data"


@pytest.fixture
def host(healthy: Lab) -> Iterator[Host]:
    host = healthy.hosts[0]
    yield host
    host.ssh("umount /mnt/admin; true")


def started_with(lab: Lab, spellings: tuple[str, str]) -> None:
    """Both hosts have the share as a pool, each in its own spelling, and have seen its one volume."""
    with ExitStack() as stack:
        agents = [stack.enter_context(each.agent(timeout_s=240)) for each in lab.hosts]
        for agent, spelling in zip(agents, spellings, strict=True):
            agent.pools.ensure(share(host=spelling))
        agents[0].volumes.create("vm_data", VolumeSpec("one.raw", capacity_bytes=MIB, allocation_bytes=0))
        for agent in agents:
            agent.pools.refresh("vm_data")


def storages(lab: Lab) -> tuple[Inventory, list[InventoryStorage]]:
    """The fleet's inventory, and the storages of the pools of that name."""
    with Fleet.from_file(lab.file) as fleet:
        inventory = fleet.inventory()
    return inventory, [one for one in inventory.storages if any(pool.pool == "vm_data" for pool in one.pools)]


@pytest.mark.parametrize(
    "spellings",
    [
        ("nfs.lab", "10.77.0.1"),
        pytest.param(("NFS-all.lab", "nfs-second.lab"), marks=pytest.mark.full),
        pytest.param(("nfs-all.lab", "[fd77::1]"), marks=pytest.mark.full),
    ],
)
def test_two_hosts_that_spell_a_server_differently_have_one_storage(healthy: Lab, spellings: tuple[str, str]) -> None:
    started_with(healthy, spellings)
    inventory, [storage] = storages(healthy)
    names = {host.name for host in healthy.hosts}
    assert {pool.host for pool in storage.pools} == names
    assert not storage.identity_conflict
    [volume] = [volume for volume in inventory.volumes if volume.storage_id == storage.storage_id]
    assert {place.host for place in volume.hosts} == names


@pytest.mark.full
@pytest.mark.parametrize("spelling", ["10.77.0.1", "NFS.lab", "nfs-second.lab", "[fd77::1]"])
def test_a_share_that_is_mounted_elsewhere_in_another_spelling_leaves_what_it_should(
    host: Host, agent: AgentClient, spelling: str
) -> None:
    """The kernel shows the first spelling for both, by which libvirt takes the pool for not mounted."""
    host.ssh(f"mkdir -p /mnt/admin && mount -t nfs nfs.lab:{FOLDER} /mnt/admin")
    agent.pools.ensure(share(host=spelling))
    assert sorted(host.mounts()) == ["/mnt/admin", TARGET]
    host.ssh("systemctl restart libvirtd", timeout_s=120)
    wait_until(lambda: listed_active(host), limit_s=NOTICED_LIMIT_S, what="it is active again", every_s=ASKED_EVERY_S)
    wait_for(agent, HealthStatus.HEALTHY, limit_s=NOTICED_LIMIT_S)
    assert sorted(host.mounts()) == ["/mnt/admin", TARGET]
    agent.pools.stop("vm_data")
    assert host.mounts() == ["/mnt/admin"]
    assert agent.pools.start("vm_data").changed
    assert agent.pools.get("vm_data").state is PoolState.RUNNING
    agent.pools.stop("vm_data")
    assert host.mounts() == ["/mnt/admin"]


def listed_active(host: Host) -> bool:
    done = host.virsh_within(30, "pool-list")
    return done is not None and "vm_data" in done.out


@pytest.mark.full
def test_another_export_on_the_target_is_found(host: Host, agent: AgentClient) -> None:
    agent.pools.define(share())
    agent.pools.build("vm_data")
    host.ssh(f"mount -t nfs nfs.lab:/srv/nfs/small {TARGET}")
    with pytest.raises(FailedPrecondition) as refused:
        agent.pools.start("vm_data")
    assert refused.value.reason in ("MOUNT_FAILED", "WRONG_SHARE")
    assert host.mounts() == [TARGET]
    host.ssh(f"umount {TARGET}")
    agent.pools.start("vm_data")
    assert agent.pools.get("vm_data").state is PoolState.RUNNING
