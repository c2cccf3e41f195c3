"""Which domains may use a volume, and which storages have to be asked for files that lie on it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from poolfleet.fleet.unused import Counted
from poolfleet.inventory.identity import join
from poolfleet.inventory.seen import HostSeen, PoolSeen
from poolfleet.inventory.usage import Target, domains_using, not_started
from poolfleet.types.disk import DomainState
from poolfleet.types.pool import PoolState
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


def test_what_counts_as_use_is_for_who_asks() -> None:
    pools = [pool("vm", derived(SHARE), type="netfs", filesystem_id=SHARE)]
    writer, reader, stopped = disk("writer", "vm", "v"), disk("reader", "vm", "v"), disk("stopped", "vm", "v")
    reader, stopped = replace(reader, read_only=True), replace(stopped, domain_state=DomainState.INACTIVE)
    beside = replace(disk("beside", "", ""), path="/mnt/by-hand/v")
    hosts = [seen("a", pools, disks=[writer, reader]), seen("b", pools, disks=[stopped, beside])]

    def using(counted: Counted) -> list[str]:
        return [user.domain for user in domains_using(target(*hosts), hosts, counted.domain)]

    assert using(Counted()) == ["reader", "writer", "beside", "stopped"]
    assert using(Counted(stopped_domains=False)) == ["reader", "writer", "beside"]
    assert using(Counted(stopped_domains=False, readers=False)) == ["writer", "beside"]


def test_what_lies_on_shared_storages_that_nobody_has_started_is_not_known() -> None:
    share = pool("vm", derived(SHARE), type="netfs")
    stopped = replace(pool("old", derived("nfs:10.0.0.9/old")), state=PoolState.INACTIVE)
    local = replace(pool("local", derived("host:agent-of-b:fs:/local")), state=PoolState.INACTIVE)
    disks = replace(pool("sd", derived("scsi:host1"), type="scsi"), state=PoolState.INACTIVE)
    started = pool("half", derived("nfs:10.0.0.9/half"))
    hosts = [
        seen("a", [share, stopped, started]),
        seen("b", [share, stopped, local, disks, replace(started, state=PoolState.INACTIVE)]),
    ]
    storages = join(PoolSeen(host=host, pool=one) for host in hosts for one in host.pools)
    on_share = Target(storage=next(one for one in storages if one.storage_id == SHARE), name="v", acting="a")
    assert [line.partition(" is not")[0] for line in not_started(on_share, storages)] == ["a: pool old"]
    on_old = Target(storage=next(one for one in storages if one.storage_id.endswith("old")), name="v", acting="a")
    assert [line.partition(" is not")[0] for line in not_started(on_old, storages)] == []
