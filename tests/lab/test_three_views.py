"""One share that two hosts see in three ways: each volume is there once, and nothing has to be refreshed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from poolfleet import Fleet, PoolSpec, VolumeSpec
from poolfleet.inventory.model import Inventory
from scripts.virtual_lab.lab import Lab
from tests.lab.shares import MIB, share

pytestmark = pytest.mark.full

SOURCE = "nfs.lab:/srv/nfs/vm_data"
BY_FSTAB = "/srv/pools/by_fstab"
BY_AUTOFS = "/mnt/auto/vm_data"
CALL_LIMIT_S = 240.0
VIEWS = ["host1:vm_data", "host2:by_autofs", "host2:by_fstab"]


@pytest.fixture
def views(healthy: Lab) -> Iterator[Lab]:
    """The share as a netfs pool on the first host; by fstab, and by autofs, below folders on the other."""
    one, other = healthy.hosts
    healthy.server.ssh("find /srv/nfs/vm_data -mindepth 1 -delete")
    other.ssh(f"mkdir -p {BY_FSTAB} && echo '{SOURCE} {BY_FSTAB} nfs noauto 0 0' >>/etc/fstab && mount {BY_FSTAB}")
    other.ssh(
        "echo '/mnt/auto /etc/auto.lab --timeout 600' >/etc/auto.master"
        f" && echo 'vm_data -fstype=nfs {SOURCE}' >/etc/auto.lab"
        " && systemctl unmask --runtime autofs; systemctl unmask autofs && systemctl restart autofs",
        timeout_s=120,
    )
    with one.agent(timeout_s=CALL_LIMIT_S) as agent:
        agent.pools.ensure(share())
    with other.agent(timeout_s=CALL_LIMIT_S) as agent:
        for name, target in (("by_fstab", BY_FSTAB), ("by_autofs", BY_AUTOFS)):
            agent.pools.ensure(PoolSpec.dir(name, target=target))
    yield healthy
    with other.agent(timeout_s=CALL_LIMIT_S) as agent:
        for name in ("by_fstab", "by_autofs"):
            agent.pools.stop(name, allow_in_use=True)
    other.ssh(f"systemctl stop autofs; umount {BY_FSTAB}; sed -i '\\| {BY_FSTAB} |d' /etc/fstab", timeout_s=120)


def inventory(lab: Lab) -> Inventory:
    with Fleet.from_file(lab.file) as fleet:
        # What was made behind an agent's back is seen by the next look, of which this asks for one.
        fleet.map(lambda agent: [agent.volumes.read_all(pool.name, max_staleness_s=0) for pool in agent.pools.list()])
        return fleet.inventory(timeout_s=CALL_LIMIT_S)


def test_each_volume_is_there_once_and_found_on_the_other_host_without_a_refresh(views: Lab) -> None:
    one, other = views.hosts
    with one.agent(timeout_s=CALL_LIMIT_S) as agent:
        for name in "abc":
            agent.volumes.create("vm_data", VolumeSpec(name, capacity_bytes=MIB, allocation_bytes=0))
    found = inventory(views)
    assert [[f"{pool.host}:{pool.pool}" for pool in storage.pools] for storage in found.storages] == [VIEWS]
    assert [(volume.name, [f"{at.host}:{at.pool}" for at in volume.hosts]) for volume in found.volumes] == [
        (name, VIEWS) for name in "abc"
    ]
    for pool in ("by_fstab", "by_autofs"):
        assert " a " not in other.virsh("vol-list", pool), "libvirt has read the folder anew"
