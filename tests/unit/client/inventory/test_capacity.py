"""Capacity is added once per disk, however many pools and hosts show it."""

from __future__ import annotations

from poolfleet.inventory.capacity import room
from poolfleet.inventory.merge import merge
from tests.unit.client.inventory.answers import configured, derived, pool, seen


def test_pools_on_one_file_system_of_one_host_are_one_disk() -> None:
    pools = [pool(f"p{n}", derived(f"host:a:root:/p{n}"), filesystem_id="root", capacity_bytes=100) for n in range(5)]
    total = room(merge([seen("a", pools)]).storages)
    assert (total.capacity_bytes, total.allocation_bytes, total.available_bytes) == (100, 25, 75)


def test_the_same_file_system_id_on_two_hosts_is_two_disks() -> None:
    hosts = [seen(h, [pool("p", derived(f"host:{h}:1:/p"), filesystem_id="1", capacity_bytes=100)]) for h in "ab"]
    assert room(merge(hosts).storages).capacity_bytes == 200


def test_a_storage_that_many_hosts_share_is_one_disk() -> None:
    hosts = [seen(h, [pool("p", configured("x"), filesystem_id=f"of-{h}", capacity_bytes=100)]) for h in "abc"]
    assert room(merge(hosts).storages).capacity_bytes == 100


def test_two_shared_folders_of_one_export_are_one_disk() -> None:
    one, other = configured("x"), configured("y")
    pools = [
        pool("p", one, filesystem_id="7", capacity_bytes=100),
        pool("q", other, filesystem_id="7", capacity_bytes=100),
    ]
    neighbour = seen("b", [pool("q", other, filesystem_id="9", capacity_bytes=100)])
    assert room(merge([seen("a", pools), neighbour]).storages).capacity_bytes == 100


def test_folders_of_one_share_are_one_disk_on_whichever_host_and_site_by_site() -> None:
    share = "nfs:10.0.0.5/export"
    hosts = [
        seen(host, [pool("p", derived(f"{share}/{host}"), filesystem_id=share, capacity_bytes=100)], site=site)
        for host, site in (("a", "ams"), ("b", "ams"), ("c", "fra"))
    ]
    assert room(merge(hosts).storages).capacity_bytes == 200


def test_what_is_not_known_counts_as_nothing() -> None:
    pools = [pool("p", configured("x"), capacity_bytes=None), pool("q", configured("y"), capacity_bytes=100)]
    assert room(merge([seen("a", pools)]).storages).capacity_bytes == 100
