"""Which host acts for a storage."""

from __future__ import annotations

from collections import Counter

from poolfleet.fleet.routing import in_order
from poolfleet.inventory.identity import Joined, join
from poolfleet.types.agent import Agent
from tests.unit.client.inventory.answers import configured, pool, pool_seen

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
