"""Which pools are one storage: by id, by aliases of derived ids, apart by site; and when an id is not to be trusted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolfleet.inventory.identity import Joined, join
from poolfleet.inventory.seen import PoolSeen
from poolfleet.types.pool import Storage, StorageFingerprint, StorageIdSource
from tests.unit.client.inventory.answers import configured, derived, pool, pool_seen


def on(host: str, storage: Storage | None, *names: str, site: str | None = None) -> PoolSeen:
    return pool_seen(host, pool("vm", storage), *names, site=site)


def shape(storages: list[Joined]) -> dict[str, list[str]]:
    return {storage.storage_id: sorted(seen.host.host for seen in storage.pools) for storage in storages}


def conflicting(storages: list[Joined]) -> list[str]:
    return [storage.storage_id for storage in storages if storage.conflict]


def test_pools_of_one_configured_id_are_one_storage_wherever_they_are() -> None:
    storages = join(
        [on("a", configured("x"), site="ams"), on("b", configured("x"), site="fra"), on("c", configured("y"))]
    )
    assert shape(storages) == {"x": ["a", "b"], "y": ["c"]}
    assert not conflicting(storages)


def test_derived_ids_are_joined_by_any_chain_of_aliases() -> None:
    storages = join(
        [
            on("a", derived("nfs:filer/vm", "nfs:10.0.0.5/vm")),
            on("b", derived("nfs:10.0.0.5/vm")),
            on("c", derived("nfs:filer.example.com/vm", "nfs:10.0.0.5/vm")),
            on("d", derived("nfs:other/vm")),
        ]
    )
    assert shape(storages) == {"nfs:10.0.0.5/vm": ["a", "b", "c"], "nfs:other/vm": ["d"]}
    assert not conflicting(storages)


def test_the_same_address_at_two_sites_is_two_storages_with_ids_of_their_own() -> None:
    address = "nfs:10.0.0.5/vm"
    storages = join([on("a", derived(address), site="ams"), on("b", derived(address), site="fra")])
    assert shape(storages) == {f"{address}@ams": ["a"], f"{address}@fra": ["b"]}
    assert not conflicting(storages)


def test_a_host_without_a_site_belongs_to_the_only_site_there_is() -> None:
    address = "nfs:10.0.0.5/vm"
    storages = join([on("a", derived(address), site="ams"), on("b", derived(address))])
    assert shape(storages) == {address: ["a", "b"]}
    assert not conflicting(storages)


def test_a_host_without_a_site_beside_two_sites_is_a_conflict() -> None:
    address = "nfs:10.0.0.5/vm"
    storages = join(
        [on("a", derived(address), site="ams"), on("b", derived(address), site="fra"), on("c", derived(address))]
    )
    assert shape(storages) == {address: ["c"], f"{address}@ams": ["a"], f"{address}@fra": ["b"]}
    assert conflicting(storages) == [address, f"{address}@ams", f"{address}@fra"]


def test_a_given_id_and_a_derived_one_of_the_same_source_stay_apart_and_conflict() -> None:
    storages = join([on("a", configured("vmdata", "nfs:10.0.0.5/vm")), on("b", derived("nfs:10.0.0.5/vm"))])
    assert shape(storages) == {"nfs:10.0.0.5/vm": ["b"], "vmdata": ["a"]}
    assert conflicting(storages) == ["nfs:10.0.0.5/vm", "vmdata"]


def test_two_given_ids_of_one_source_are_what_a_person_said() -> None:
    storages = join([on("a", configured("gold", "nfs:10.0.0.5/vm")), on("b", configured("iron", "nfs:10.0.0.5/vm"))])
    assert shape(storages) == {"gold": ["a"], "iron": ["b"]}
    assert not conflicting(storages)


def test_pools_whose_storage_is_not_known_stand_for_themselves() -> None:
    storages = join([on("a", None), on("b", None)])
    assert shape(storages) == {"pool:agent-of-a:uuid-of-vm": ["a"], "pool:agent-of-b:uuid-of-vm": ["b"]}
    assert {storage.source for storage in storages} == {StorageIdSource.UNKNOWN}


def test_hosts_that_see_no_volume_in_common_under_one_id_are_a_conflict() -> None:
    storages = join([on("a", configured("x"), "1", "2", "3"), on("b", configured("x"), "4", "5", "6")])
    assert conflicting(storages) == ["x"]
    assert "no volume in common" in storages[0].conflict


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(["1", "2", "3"], ["3", "4", "5"], id="one in common"),
        pytest.param(["1", "2"], ["3", "4", "5"], id="too few to tell"),
        pytest.param(["1", "2", "3"], [], id="not looked at yet"),
    ],
)
def test_lists_that_a_delay_explains_are_none(one: list[str], other: list[str]) -> None:
    assert not conflicting(join([on("a", configured("x"), *one), on("b", configured("x"), *other)]))


names = st.sampled_from(["n1", "n2", "nfs:filer/x", "nfs:10.0.0.5/x", "nfs:[fd00::5]/x", "nfs:127.0.0.1/x"])
fingerprints = st.none() | st.builds(
    StorageFingerprint,
    root_inode=st.sampled_from([2, 128]),
    files=st.lists(st.sampled_from([("a", 1), ("b", 2), ("c", 3), ("d", 4)]), max_size=4, unique=True).map(tuple),
)
storages_drawn = st.none() | st.builds(
    Storage,
    id=names,
    source=st.sampled_from([StorageIdSource.CONFIGURED, StorageIdSource.MARKER, StorageIdSource.DERIVED]),
    aliases=st.lists(names, max_size=2).map(tuple),
    fingerprint=fingerprints,
)
drawn = st.lists(st.tuples(storages_drawn, st.sampled_from([None, "ams", "fra"])), max_size=8).map(
    lambda drawn: [on(f"h{index}", storage, site=site) for index, (storage, site) in enumerate(drawn)]
)


@given(drawn, st.randoms(use_true_random=False))
def test_each_pool_is_in_one_storage_ids_are_unique_and_order_does_not_matter(
    pools: list[PoolSeen], random: object
) -> None:
    storages = join(pools)
    assert sorted(seen.place for storage in storages for seen in storage.pools) == sorted(seen.place for seen in pools)
    assert len({storage.storage_id for storage in storages}) == len(storages)
    shuffled = list(pools)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    assert join(shuffled) == storages


@given(drawn)
def test_one_id_without_sites_is_never_two_storages(pools: list[PoolSeen]) -> None:
    same = [one for one in pools if one.host.site is None and one.pool.storage]
    for storage in join(same):
        ids = {seen.pool.storage.id for seen in storage.pools if seen.pool.storage}
        others = {seen.pool.storage.id for seen in same if seen.pool.storage and seen not in storage.pools}
        assert ids.isdisjoint(others)


derived_drawn = st.lists(st.lists(names, min_size=1, max_size=3), min_size=1, max_size=7).map(
    lambda spellings: [on(f"h{index}", derived(first, *rest)) for index, (first, *rest) in enumerate(spellings)]
)


def together(pools: list[PoolSeen]) -> set[tuple[str, str]]:
    return {(a.host.host, b.host.host) for storage in join(pools) for a in storage.pools for b in storage.pools}


@given(derived_drawn)
def test_joining_by_aliases_is_an_equivalence(pools: list[PoolSeen]) -> None:
    same = together(pools)
    hosts = [seen.host.host for seen in pools]
    assert all((host, host) in same for host in hosts)
    assert same == {(b, a) for a, b in same}
    assert all((a, d) in same for a, b in same for c, d in same if b == c)
    for one in pools:
        for other in pools:
            if not set(one.spellings).isdisjoint(other.spellings):
                assert (one.host.host, other.host.host) in same


@given(derived_drawn, st.integers(0, 6))
def test_what_was_joined_stays_so_when_one_more_host_answers(pools: list[PoolSeen], last: int) -> None:
    fewer = [seen for index, seen in enumerate(pools) if index != last % len(pools)]
    assert together(fewer) <= together(pools)


def test_a_storage_knows_every_spelling_of_its_hosts() -> None:
    [storage] = join(
        [on("a", derived("nfs:10.0.0.5/vm", "nfs:filer/vm")), on("b", derived("nfs:10.0.0.5/vm", "nfs:f/vm"))]
    )
    assert (storage.storage_id, storage.aliases) == ("nfs:10.0.0.5/vm", ("nfs:f/vm", "nfs:filer/vm"))
