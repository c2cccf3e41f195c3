"""One server under two addresses and several names: one storage where any host can tell, else a conflict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from poolfleet import Fleet, PoolSpec, VolumeSpec
from poolfleet.fleet.fleet_file import read_fleet_file
from poolfleet.inventory.model import Inventory
from scripts.virtual_lab.host import Host as LabHost
from scripts.virtual_lab.lab import Lab
from tests.lab.shares import MIB, share

# A call with a file system on the other side of an emulated network.
CALL_LIMIT_S = 240.0


def start(host: LabHost, spec: PoolSpec) -> None:
    with host.agent(timeout_s=CALL_LIMIT_S) as agent:
        agent.pools.ensure(spec)


def fill(host: LabHost, pool: str = "vm_data") -> None:
    """Three files, which tell one storage from another."""
    with host.agent(timeout_s=CALL_LIMIT_S) as agent:
        for name in "abc":
            agent.volumes.create(pool, VolumeSpec(name, capacity_bytes=MIB, allocation_bytes=0))


def look_again(*hosts: LabHost) -> None:
    for host in hosts:
        with host.agent(timeout_s=CALL_LIMIT_S) as agent:
            for pool in list(agent.pools.list()):
                agent.pools.refresh(pool.name)


def inventory(lab: Lab) -> Inventory:
    with Fleet.from_file(lab.file) as fleet:
        return fleet.inventory(timeout_s=CALL_LIMIT_S)


def places(found: Inventory) -> list[list[str]]:
    return [[f"{pool.host}:{pool.pool}" for pool in storage.pools] for storage in found.storages]


@pytest.fixture
def filled(healthy: Lab) -> Lab:
    """The lab whose first host has the share by its name, with three files on it, which are gone afterwards."""
    healthy.server.ssh("find /srv/nfs/vm_data -mindepth 1 -delete")
    start(healthy.hosts[0], share())
    fill(healthy.hosts[0])
    return healthy


@pytest.mark.full
def test_two_addresses_and_three_names_are_one_storage_where_a_host_has_the_share_by_all(filled: Lab) -> None:
    one, other = filled.hosts
    for name, server in (("by_address", "10.77.0.1"), ("second", "nfs-second.lab"), ("sixth", "nfs6.lab")):
        start(other, share(name, export="vm_data", host=server, version="4.2"))
    look_again(one, other)
    found = inventory(filled)
    assert places(found) == [["host1:vm_data", "host2:by_address", "host2:second", "host2:sixth"]]
    assert not found.storages[0].identity_conflict, found.missing
    assert {"nfs:nfs.lab/srv/nfs/vm_data", "nfs:nfs-second.lab/srv/nfs/vm_data"} <= set(found.storages[0].aliases)
    assert [len(volume.hosts) for volume in found.volumes] == [4, 4, 4]


@pytest.mark.full
def test_a_mount_by_hand_and_its_folders_have_the_identity_of_the_share(filled: Lab) -> None:
    one, other = filled.hosts
    other.ssh("mkdir -p /srv/pools/hand && mount -t nfs nfs.lab:/srv/nfs/vm_data/ /srv/pools/hand")
    other.ssh("mkdir /srv/pools/hand/below")
    start(other, PoolSpec.dir("hand", target="/srv/pools/hand"))
    look_again(one, other)
    assert places(inventory(filled)) == [["host1:vm_data", "host2:hand"]]
    with other.agent() as agent:
        agent.pools.stop("hand")
        agent.pools.undefine("hand")
    start(other, PoolSpec.dir("below", target="/srv/pools/hand/below"))
    assert [storage.storage_id for storage in inventory(filled).storages] == [
        "nfs:10.77.0.1/srv/nfs/vm_data",
        "nfs:10.77.0.1/srv/nfs/vm_data/below",
    ]


@pytest.mark.full
def test_version_3_and_ipv6_tell_address_and_export_too(filled: Lab) -> None:
    one, other = filled.hosts
    start(other, share("third", export="vm_data", version="3"))
    look_again(one, other)
    assert places(inventory(filled)) == [["host1:vm_data", "host2:third"]]
    with other.agent() as agent:
        agent.pools.stop("third")
        agent.pools.undefine("third")
    start(other, share("sixth", export="vm_data", host="[fd77::1]", version="4.2"))
    with other.agent() as agent:
        sixth = agent.pools.get("sixth").storage
    assert sixth
    assert sixth.id == "nfs:[fd77::1]/srv/nfs/vm_data"


@pytest.mark.full
def test_hosts_that_know_one_address_each_are_told_apart_until_the_share_is_adopted(filled: Lab) -> None:
    one, other = filled.hosts
    start(other, share("second", export="vm_data", host="nfs-second.lab"))
    look_again(one, other)
    apart = inventory(filled)
    assert places(apart) == [["host1:vm_data"], ["host2:second"]]
    assert [storage.identity_conflict for storage in apart.storages] == [True, True]
    assert not apart.complete
    with one.agent(timeout_s=CALL_LIMIT_S) as agent:
        assert agent.pools.adopt_storage("vm_data").changed
    look_again(one, other)
    together = inventory(filled)
    assert places(together) == [["host1:vm_data", "host2:second"]]
    assert not together.storages[0].identity_conflict
    assert filled.server.ssh("cat /srv/nfs/vm_data/.poolfleet/storage-id").strip() == together.storages[0].storage_id


@pytest.fixture
def other_address(filled: Lab) -> Iterator[Lab]:
    """A name that means another address on the second host, as it does where a site has a server of its own."""
    other = filled.hosts[1]
    swap = "s/ nfs.lab$//; s/ nfs-second.lab$/ nfs.lab/"
    other.ssh(f"cp /etc/hosts /etc/hosts.kept && sed '{swap}' /etc/hosts.kept > /etc/hosts")
    # An agent believes what a name meant for ten minutes.
    other.restart_agent()
    yield filled
    other.ssh("cp /etc/hosts.kept /etc/hosts")
    other.restart_agent()


@pytest.mark.full
def test_a_name_that_means_another_address_joins_hosts_only_where_the_files_are_the_same(other_address: Lab) -> None:
    one, other = other_address.hosts
    start(other, share())
    look_again(one, other)
    same = inventory(other_address)
    assert places(same) == [["host1:vm_data", "host2:vm_data"]]
    assert not same.storages[0].identity_conflict
    with one.agent(timeout_s=CALL_LIMIT_S) as agent:
        agent.volumes.delete("vm_data", "c")
    look_again(one, other)
    assert inventory(other_address).storages[0].identity_conflict


@pytest.mark.full
def test_the_same_name_at_two_sites_is_two_storages(other_address: Lab) -> None:
    one, other = other_address.hosts
    start(other, share())
    look_again(one, other)
    hosts = [
        replace(host, site=site) for host, site in zip(read_fleet_file(other_address.file), ("ams", "fra"), strict=True)
    ]
    with Fleet(hosts) as fleet:
        found = fleet.inventory(timeout_s=CALL_LIMIT_S)
    assert places(found) == [["host1:vm_data"], ["host2:vm_data"]]
    # It is one server after all, and that is seen too.
    assert [storage.identity_conflict for storage in found.storages] == [True, True]
