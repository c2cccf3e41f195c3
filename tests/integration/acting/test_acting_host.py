"""One host changes a shared volume, another where that one cannot; and nothing is done twice on the way."""

from __future__ import annotations

import uuid

import pytest

from poolfleet import CloneSpec, FailedPrecondition, Fleet, InvalidArgument, NotFound, Unavailable, VolumeSpec
from tests.integration.acting.conftest import POOLS, STORAGE, Hosts
from tests.virsh import virsh

MIB = 1 << 20
SPEC = VolumeSpec("v", capacity_bytes=MIB, format="qcow2")


def other_than(host: str) -> str:
    return next(name for name in POOLS if name != host)


def created_on(fleet: Fleet, volume: str) -> list[str]:
    """The hosts with an operation that has created it."""
    return [
        name
        for name in POOLS
        if any(one.volume == volume and one.changed for one in fleet.client(name).operations.list())
    ]


def test_every_caller_has_it_done_by_the_same_host(fleet: Fleet, hosts: Hosts) -> None:
    acting = fleet.storage(STORAGE).acting_host()
    assert {fleet.storage(word).acting_host() for word in (STORAGE, *POOLS.values())} == {acting}
    with hosts.fleet("three", "two", "one") as another:
        assert another.storage(STORAGE).acting_host() == acting
        another.storage(STORAGE).create(VolumeSpec("by-one", capacity_bytes=MIB, format="qcow2"))
    assert created_on(fleet, "by-one") == [acting]
    other = other_than(acting)
    assert fleet.select(hosts=[other]).storage(STORAGE).acting_host() == other
    assert (
        not fleet.select(hosts=[other])
        .storage(POOLS[other])
        .create(VolumeSpec("by-one", capacity_bytes=MIB, format="qcow2"))
        .changed
    )


def test_another_acts_for_one_that_is_gone_cordoned_or_without_its_pool(fleet: Fleet, hosts: Hosts) -> None:
    acting = fleet.storage(STORAGE).acting_host()
    other = other_than(acting)
    fleet.client(acting).set_maintenance(enabled=True, reason="new memory")
    assert fleet.storage(STORAGE).acting_host() == other
    fleet.client(acting).set_maintenance(enabled=False)
    fleet.client(acting).pools.stop(POOLS[acting])
    assert fleet.storage(STORAGE).acting_host() == other
    fleet.client(acting).pools.start(POOLS[acting])
    hosts[acting].agent.stop()
    assert fleet.storage(STORAGE).create(VolumeSpec("while-away", capacity_bytes=MIB, format="qcow2")).changed
    assert (hosts.shared / "while-away").exists()


def test_where_no_host_may_act_it_is_said_why(fleet: Fleet, hosts: Hosts) -> None:
    for name in POOLS:
        fleet.client(name).set_maintenance(enabled=True)
    with pytest.raises(Unavailable) as nobody:
        fleet.storage(STORAGE).create(SPEC)
    assert nobody.value.reason == "NO_HOST"
    assert "one: under maintenance; two: under maintenance" in nobody.value.message
    # Who names one host means it.
    assert fleet.select(hosts=["one"]).storage("vms").create(SPEC).changed


def test_a_clone_is_made_by_the_host_that_acts_and_once_for_a_request(fleet: Fleet, hosts: Hosts) -> None:
    storage = fleet.storage(STORAGE)
    storage.create(SPEC)
    acting, request = storage.acting_host(), str(uuid.uuid4())
    done = storage.clone("v", CloneSpec("copy"), request_id=request)
    assert (done.changed, created_on(fleet, "copy")) == (True, [acting])
    fleet.client(acting).set_maintenance(enabled=True)
    assert storage.clone("v", CloneSpec("copy"), request_id=request).id == done.id
    assert not storage.clone("v", CloneSpec("copy")).changed
    assert storage.clone("v", CloneSpec("other", linked=True)).changed
    assert created_on(fleet, "other") == [other_than(acting)]


def test_a_clone_into_another_pool_of_the_host_is_made_once_for_a_request(fleet: Fleet, hosts: Hosts) -> None:
    one, request = fleet.select(hosts=["one"]).storage("vms"), str(uuid.uuid4())
    one.create(SPEC)
    done = one.clone("v", CloneSpec("copy"), target_pool="local", request_id=request)
    assert one.clone("v", CloneSpec("copy"), target_pool="local", request_id=request).id == done.id
    assert (hosts["one"].pools_dir / "local" / "copy").exists()


def test_stopped_guests_and_silent_hosts_keep_nobody_from_copying(fleet: Fleet, hosts: Hosts) -> None:
    fleet.storage(STORAGE).create(SPEC)
    hosts.define_guest("two", "g", hosts.shared / "v")
    assert fleet.select(hosts=["one"]).storage("vms").clone("v", CloneSpec("copy")).changed
    hosts["three"].agent.stop()
    done = fleet.select(hosts=["one"]).storage("vms").clone("v", CloneSpec("again"))
    [warning] = done.warnings
    assert (done.changed, "three: unreachable" in warning) == (True, True)


def test_a_request_is_found_where_it_was_begun_and_is_not_begun_elsewhere(fleet: Fleet, hosts: Hosts) -> None:
    storage = fleet.storage(STORAGE)
    storage.create(SPEC)
    request = str(uuid.uuid4())
    acting = storage.acting_host()
    done = storage.delete("v", request_id=request)
    fleet.client(acting).set_maintenance(enabled=True)
    assert storage.acting_host() != acting
    storage.create(SPEC)
    # Somebody's new volume of that name is in use, too: that is nothing to an answer from the record.
    hosts.define_guest("three", "g", hosts.shared / "v")
    again = storage.delete("v", request_id=request)
    assert (again.id, again.changed) == (done.id, True)
    assert (hosts.shared / "v").exists()
    with pytest.raises(InvalidArgument) as reused:
        storage.delete("other", request_id=request)
    assert reused.value.reason == "REQUEST_ID_REUSED"


def test_a_word_that_means_several_storages_or_none_changes_nothing(fleet: Fleet) -> None:
    with pytest.raises(InvalidArgument, match="pool of 3 storages"):
        fleet.storage("local").delete("v", allow_missing=True)
    with pytest.raises(NotFound) as absent:
        fleet.storage("nothing").delete("v")
    assert absent.value.reason == "POOL_NOT_FOUND"


def test_a_pool_that_hosts_see_differently_has_no_host_that_acts(fleet: Fleet, hosts: Hosts) -> None:
    elsewhere = hosts.shared.parent / "three" / "pools" / "elsewhere"
    hosts.configure("three", {elsewhere: STORAGE})
    try:
        virsh(hosts["three"], "pool-define-as", "vms", "dir", "--target", str(elsewhere))
        client = fleet.client("three")
        client.pools.build("vms")
        client.pools.start("vms")
        with pytest.raises(FailedPrecondition) as conflict:
            fleet.storage(STORAGE).create(SPEC)
        assert conflict.value.reason == "IDENTITY_CONFLICT"
        with pytest.raises(Unavailable, match="identity conflict"):
            fleet.select(hosts=["one"]).storage("vms").delete("v", allow_missing=True)
    finally:
        client.pools.stop("vms")
        client.pools.undefine("vms")
        hosts.configure("three", {hosts.shared: STORAGE})
