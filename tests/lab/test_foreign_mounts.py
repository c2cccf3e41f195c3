"""Mounts that were there before us: an administrator's, one of fstab, of autofs. They are used and never undone."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from poolfleet import AgentClient, FailedPrecondition, PoolSpec, VolumeSpec
from poolfleet.types.pool import PoolState
from poolfleet.types.pool_spec import MountOwner
from scripts.virtual_lab.host import Host
from scripts.virtual_lab.lab import Lab
from tests.lab.shares import MIB, share

pytestmark = pytest.mark.full

SOURCE = "nfs.lab:/srv/nfs/vm_data"
TARGET = "/srv/pools/vm_data"


@pytest.fixture
def host(healthy: Lab) -> Iterator[Host]:
    host = healthy.hosts[0]
    host.ssh(f"mkdir -p {TARGET}")
    yield host
    # What is never undone by the agent has to be by the test.
    host.ssh(f"systemctl stop autofs; umount {TARGET}; sed -i '\\| {TARGET} |d' /etc/fstab; true", timeout_s=120)


@pytest.fixture
def agent(host: Host) -> Iterator[AgentClient]:
    with host.agent(timeout_s=240) as client:
        yield client
        for pool in list(client.pools.list()):
            if pool.active and pool.type == "netfs":
                # It cannot be stopped by us, as libvirt would unmount it: that is its owner's.
                host.ssh(f"umount -l {TARGET}")
                host.virsh("pool-destroy", pool.name)


def mount_as_an_administrator(host: Host) -> None:
    host.ssh(f"mount -t nfs {SOURCE} {TARGET}")


def mount_by_fstab(host: Host) -> None:
    host.ssh(f"echo '{SOURCE} {TARGET} nfs noauto 0 0' >>/etc/fstab && mount {TARGET}")


@pytest.mark.parametrize("mount", [mount_as_an_administrator, mount_by_fstab])
def test_a_share_that_was_mounted_before_is_used_and_not_undone_by_a_stop(
    host: Host, agent: AgentClient, mount: Callable[[Host], None]
) -> None:
    mount(host)
    agent.pools.ensure(share())
    pool = agent.pools.get("vm_data")
    assert pool.state is PoolState.RUNNING
    assert pool.mount
    assert pool.mount.owner is MountOwner.FOREIGN
    assert host.mounts() == [TARGET]
    make_and_delete(agent, "vm_data")
    with pytest.raises(FailedPrecondition) as refused:
        agent.pools.stop("vm_data")
    assert refused.value.reason == "MOUNT_NOT_OURS"
    assert host.mounts() == [TARGET]


@pytest.mark.parametrize("mount", [mount_as_an_administrator, mount_by_fstab])
def test_so_is_one_below_a_pool_that_is_a_folder(host: Host, agent: AgentClient, mount: Callable[[Host], None]) -> None:
    mount(host)
    stays_mounted_through_a_pools_life(host, agent, TARGET)


def test_so_is_one_of_autofs(host: Host, agent: AgentClient) -> None:
    host.ssh(
        "echo '/mnt/auto /etc/auto.lab --timeout 600' >/etc/auto.master"
        f" && echo 'vm_data -fstype=nfs {SOURCE}' >/etc/auto.lab"
        " && systemctl unmask --runtime autofs; systemctl unmask autofs && systemctl restart autofs",
        timeout_s=120,
    )
    stays_mounted_through_a_pools_life(host, agent, "/mnt/auto/vm_data")


def stays_mounted_through_a_pools_life(host: Host, agent: AgentClient, target: str) -> None:
    agent.pools.ensure(PoolSpec.dir("folder", target=target))
    assert target in host.mounts()
    make_and_delete(agent, "folder")
    agent.pools.stop("folder")
    agent.pools.start("folder")
    agent.pools.stop("folder")
    agent.pools.undefine("folder")
    assert target in host.mounts()


def make_and_delete(agent: AgentClient, pool: str) -> None:
    agent.volumes.create(pool, VolumeSpec("new.raw", capacity_bytes=MIB, allocation_bytes=0))
    agent.volumes.delete(pool, "new.raw")
