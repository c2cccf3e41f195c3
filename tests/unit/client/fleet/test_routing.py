"""Which host acts for a storage."""

from __future__ import annotations

from collections import Counter

import pytest

from poolfleet.fleet.routing import chosen, in_order
from poolfleet.inventory.identity import Joined, join
from poolfleet.types.agent import Agent
from poolfleet.types.errors import FailedPrecondition
from tests.unit.client.inventory.answers import configured, derived, pool, pool_seen

HOSTS = [f"kvm{number}" for number in range(8)]
STORAGES = [f"storage-{number}" for number in range(400)]


def storage(storage_id: str) -> Joined:
    [joined] = join(pool_seen(host, pool("vms", configured(storage_id))) for host in HOSTS)
    return joined


def order(storage_id: str, hosts: list[str], agent: Agent) -> list[str]:
    return [seen.host.host for seen in in_order(storage(storage_id), dict.fromkeys(hosts, agent))]


def test_storages_are_spread_over_all_hosts(answering: Agent) -> None:
    acts = Counter(order(storage_id, HOSTS, answering)[0] for storage_id in STORAGES)
    assert set(acts) == set(HOSTS)
    assert max(acts.values()) < 3 * len(STORAGES) / len(HOSTS)


def test_a_host_that_goes_leaves_the_storages_of_others_where_they_are(answering: Agent) -> None:
    for storage_id in STORAGES[:50]:
        before = order(storage_id, HOSTS, answering)
        without = [host for host in HOSTS if host != "kvm3"]
        assert order(storage_id, without, answering) == [host for host in before if host != "kvm3"]


def test_the_order_of_the_hosts_in_a_fleet_file_is_of_no_moment(answering: Agent) -> None:
    assert order("s", HOSTS, answering) == order("s", HOSTS[::-1], answering)


PLACE = {("kvm1", "vms")}


def at_site(storage_id: str, *aliases: str) -> list[Joined]:
    there = pool("vms", derived(storage_id, *aliases))
    return join([pool_seen("kvm1", there, site="berlin"), pool_seen("kvm2", there, site="paris")])


@pytest.mark.parametrize("word", ["nfs:10.0.0.5/vm", "nfs:10.0.0.5/vm@berlin", "nfs:filer/vm"])
def test_a_storage_is_known_again_by_any_id_that_it_had_in_an_inventory(word: str) -> None:
    found = chosen(at_site("nfs:10.0.0.5/vm", "nfs:filer/vm"), word, PLACE)
    assert [seen.place for seen in found.pools] == [("kvm1", "vms")]


def test_what_was_redefined_onto_another_storage_is_not_the_one_that_was_seen() -> None:
    with pytest.raises(FailedPrecondition, match=r"lies on nfs:10\.0\.0\.6/vm@berlin now") as replaced:
        chosen(at_site("nfs:10.0.0.6/vm"), "nfs:10.0.0.5/vm", PLACE)
    assert (replaced.value.reason, replaced.value.host) == ("IDENTITY_CONFLICT", "kvm1")


def test_of_several_places_those_count_that_have_the_storage_still() -> None:
    seen = [pool_seen("kvm1", pool("vms", configured("new"))), pool_seen("kvm2", pool("vms", configured("old")))]
    assert chosen(join(seen), "old", {("kvm1", "vms"), ("kvm2", "vms")}).storage_id == "old"
