"""What simulated storages hold: as a fleet's shape says, the same wherever it is made, and no guest loses its disk."""

from __future__ import annotations

import pytest

from poolfleet_agent.services.convert.encoder import MessageEncoder
from scripts.simulated_fleet.contents import Contents
from scripts.simulated_fleet.guests import guest_disks
from scripts.simulated_fleet.shape import HOSTS_OF_A_CLUSTER, Shape

SHAPE = Shape(hosts=45, volumes=100, shared=0.3, guests=5)


def contents_of(pool: str, host: int = 0, shape: Shape = SHAPE) -> Contents:
    (plan,) = (plan for plan in shape.storages(host) if plan.pool == pool)
    return Contents(plan, shape.seed, MessageEncoder())


@pytest.mark.parametrize("host", [0, 20, 44])
def test_each_host_sees_so_many_volumes_the_shared_ones_as_others_do(host: int) -> None:
    seen = {plan.pool: plan for plan in SHAPE.storages(host)}
    assert {pool: plan.volumes for pool, plan in seen.items()} == {"cluster": 15, "default": 70, "shared": 15}
    assert list(seen["default"].hosts) == [host]
    assert list(seen["shared"].hosts) == list(range(SHAPE.hosts))
    assert host in seen["cluster"].hosts
    assert len(seen["cluster"].hosts) == (HOSTS_OF_A_CLUSTER if host < 40 else 5)


def test_different_volumes_are_counted_once() -> None:
    assert SHAPE.different_volumes == 45 * 70 + 3 * 15 + 15


@pytest.mark.parametrize("volumes", [1, 7, 100])
def test_there_are_as_many_as_planned_in_the_order_of_their_names(volumes: int) -> None:
    records = contents_of("default", shape=Shape(hosts=1, volumes=volumes, shared=0.0, guests=1)).records
    assert len(records) == volumes
    assert list(records) == sorted(records)


def test_the_same_steps_give_the_same_and_other_seeds_something_else() -> None:
    first, second = contents_of("shared"), contents_of("shared", host=30)
    for step in range(5):
        assert first.change(step, 0.5) == second.change(step, 0.5)
    assert first.records == second.records
    other = contents_of("shared", shape=Shape(hosts=45, volumes=100, shared=0.3, guests=5, seed=2))
    assert not other.records.keys() & first.records.keys()


def test_a_change_makes_another_mapping_and_leaves_the_old_one() -> None:
    contents = contents_of("default")
    before, copy = contents.records, dict(contents.records)
    assert contents.change(1, 0.2) in {14, 15}
    assert contents.records != copy
    assert before == copy
    assert contents.allocation_bytes == sum(one.facts.allocation_bytes or 0 for one in contents.records.values())


@pytest.mark.parametrize("volumes", [1, 100])
def test_what_a_guest_or_another_volume_needs_stays_whatever_changes(volumes: int) -> None:
    shape = Shape(hosts=1, volumes=volumes, shared=0.0, guests=20)
    contents = contents_of("default", shape=shape)
    before = set(contents.records)
    for step in range(50):
        contents.change(step, 0.5)
    paths = {one.facts.path for one in contents.records.values()}
    disks = guest_disks(shape, 0, [(contents, "id")])
    assert {disk.path for disk in disks} <= paths
    assert {one.facts.backing_store.path for one in contents.records.values() if one.facts.backing_store} <= paths
    assert set(contents.records) - before, "some were created"
    if volumes > 1:
        assert before - set(contents.records), "some were deleted"


def test_guests_have_chains_and_no_two_hosts_one_disk_of_a_share() -> None:
    storage = contents_of("shared")
    used: list[set[str]] = []
    for host in range(3):
        disks = guest_disks(SHAPE, host, [(storage, "id"), (contents_of("default", host), "local")])
        assert {disk.reference.depth for disk in disks} == {0, 1, 2}
        assert len({disk.identity for disk in disks}) == len(disks)
        used.append({disk.volume for disk in disks if disk.pool == "shared" and not disk.reference.depth})
    assert all(used)
    assert not used[0] & used[1] | used[1] & used[2] | used[0] & used[2]
