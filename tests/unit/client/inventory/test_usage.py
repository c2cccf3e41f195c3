"""Which domains may use a volume, and which storages have to be asked for files that lie on it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from poolfleet.inventory.identity import join
from poolfleet.inventory.seen import HostSeen, PoolSeen
from poolfleet.inventory.usage import Target, domains_using
from tests.unit.client.inventory.answers import derived, disk, pool, seen

SHARE = "nfs:10.0.0.5/vm"


def target(*hosts: HostSeen) -> Target:
    [storage] = join(PoolSeen(host=host, pool=one) for host in hosts for one in host.pools)
    return Target(storage=storage, name="v", acting=hosts[0].host)


@pytest.mark.parametrize("filesystem_id", [SHARE, ""])
def test_a_share_may_be_mounted_once_more_beside_its_pool(filesystem_id: str) -> None:
    pools = [pool("vm", derived(SHARE), type="netfs", filesystem_id=filesystem_id)]
    beside = replace(disk("web", "", ""), path="/mnt/by-hand/v")
    hosts = [seen("a", pools), seen("b", pools, disks=[beside])]
    assert [(user.host, user.domain) for user in domains_using(target(*hosts), hosts)] == [("b", "web")]


@pytest.mark.parametrize("type", ["dir", "logical"])
def test_a_file_beside_pools_on_a_host_s_own_disks_is_another_file(type: str) -> None:  # noqa: A002  (libvirt's word)
    filesystem_id = "xfs:1" if type == "dir" else ""
    pools = [pool("vm", derived("lvm:vg"), type=type, filesystem_id=filesystem_id)]
    beside = replace(disk("web", "", ""), path="/mnt/by-hand/v")
    hosts = [seen("a", pools), seen("b", pools, disks=[beside])]
    assert domains_using(target(*hosts), hosts) == []
