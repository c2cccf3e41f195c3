"""Signs of life in an adopted storage: of hosts that nobody asked, and that there are no others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from poolfleet.inventory.identity import Joined, join
from poolfleet.inventory.merge import merge
from poolfleet.inventory.seen import PoolSeen
from poolfleet.inventory.signs import all_have_signed, strangers
from poolfleet.inventory.usage import Target, untold
from poolfleet.types.pool import Pool, PoolState, Storage, StorageSigns
from tests.unit.client.inventory.answers import NOON, marked, pool, seen

ADOPTED = "0f1e2d3c-0000-4000-8000-000000000001"
LONG_AGO = NOON - timedelta(days=30)


def adopted(*agents: str, since: datetime | None = LONG_AGO) -> Storage:
    return replace(marked(ADOPTED), signs=StorageSigns(since=since, agent_ids=agents))


def joined(*pools: Pool) -> Joined:
    """The storage by a pool on each of the hosts a, b, …"""
    [storage] = join(PoolSeen(host=seen(name, [one]), pool=one) for name, one in zip("abc", pools, strict=False))
    return storage


def vm(*agents: str, since: datetime | None = LONG_AGO) -> Pool:
    return pool("vm", adopted(*agents, since=since))


def said(storage: Joined, *agents: str) -> Sequence[str]:
    return [*strangers(storage, agents)]


def test_agents_that_are_none_of_the_hosts_are_told_in_one_sentence() -> None:
    [words] = said(joined(vm("agent-of-a", "x"), vm("agent-of-b", "y", "z", "w")), "agent-of-a", "agent-of-b")
    assert words.startswith(f"{ADOPTED}: hosts that told nothing have it too")
    assert "there: w, x, y and 1 more;" in words


def test_where_all_that_signed_were_asked_nothing_is_missing() -> None:
    assert said(joined(vm("agent-of-a", "agent-of-b")), "agent-of-a", "agent-of-b", "agent-of-c") == []
    assert said(joined(pool("vm", marked(ADOPTED))), "agent-of-a") == []


def test_the_inventory_is_not_complete_beside_a_stranger() -> None:
    assert merge([seen("a", [vm("agent-of-a")])]).complete
    [words] = merge([seen("a", [vm("agent-of-a", "x")])]).missing
    assert "x;" in words


def test_who_uses_a_volume_is_not_known_beside_a_stranger() -> None:
    hosts = [seen("a", [vm("agent-of-a", "x")])]
    target = Target(storage=joined(*hosts[0].pools), name="v", acting="a")
    assert untold(target, hosts) == said(target.storage, "agent-of-a")


def test_all_have_signed_a_day_after_the_adoption() -> None:
    both = ("agent-of-a", "agent-of-b")
    storage = joined(vm(*both, since=NOON), vm(*both, since=NOON))
    assert not all_have_signed(storage, now=NOON + timedelta(hours=12))
    assert all_have_signed(storage, now=NOON + timedelta(days=2))


@pytest.mark.parametrize(
    "pools",
    [
        pytest.param([vm("agent-of-a"), vm("agent-of-a")], id="b may not write there"),
        pytest.param([vm("agent-of-a"), pool("vm", marked(ADOPTED))], id="b cannot read them, or is older"),
        pytest.param([vm("agent-of-a", since=None)], id="nobody knows since when"),
        pytest.param([replace(vm("agent-of-a"), state=PoolState.INACTIVE)], id="nobody looks"),
    ],
)
def test_there_may_be_others(pools: list[Pool]) -> None:
    assert not all_have_signed(joined(*pools), now=NOON)
