"""What somebody starts or stops on the host is meant so, and what the agent's own calls led to is not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import pytest

from poolfleet_agent.inventory.own_changes import LATE_S
from poolfleet_agent.inventory.wishes import Wishes
from poolfleet_agent.model.desired_state import Desired
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.pool import PoolState
from poolfleet_agent.model.ports import PoolEvent, PoolEventKind
from tests.unit.agent.fake_host import FakeHost, observer_of, pool_facts

STARTED, STOPPED = PoolEventKind.STARTED, PoolEventKind.STOPPED


@dataclass
class Told:
    fake: FakeHost
    wishes: Wishes

    def hear(self, *kinds: PoolEventKind, uuid: str = "") -> None:
        """Events one after the other; the pool is as the last says."""
        for kind in kinds:
            self.wishes.hear(PoolEvent(kind=kind, pool="p", uuid=uuid))
            self.fake.clock.time_s += 0.01
        self.become(PoolState.RUNNING if kinds[-1] is STARTED else PoolState.INACTIVE)

    def become(self, state: PoolState) -> None:
        pools = self.fake.hypervisor.pools
        pools["p"] = replace(pools["p"], state=state)

    def fail_to_refresh(self) -> None:
        with pytest.raises(ModelError), self.fake.own_changes.refreshing("p"):
            raise ModelError(Reason.PATH_NOT_USABLE, "gone")

    async def noted(self) -> set[str]:
        """Look, then note."""
        count = len(self.wishes)
        await self.fake.looker.pool("p")
        return await self.wishes.note(count)

    async def desired(self) -> Desired:
        return (await self.fake.intents.of(self.fake.registry.snapshot.pools["p"].pool.facts)).desired.desired


@pytest.fixture
async def told() -> AsyncIterator[Told]:
    fake = FakeHost()
    fake.hypervisor.add(pool_facts("p"))
    await fake.looker.all_pools()
    yield Told(fake, observer_of(fake).wishes)
    await fake.looker.close()


async def test_what_is_stopped_by_others_is_meant_to_be_and_shown(told: Told) -> None:
    told.hear(STOPPED)
    assert told.wishes.is_undecided("p")
    assert await told.noted() == set()
    assert not told.wishes.is_undecided("p")
    shown = told.fake.registry.snapshot.pools["p"].pool.desired
    assert shown is not None
    assert (shown.desired, shown.why) == (Desired.STOPPED, "stopped on the host")


async def test_what_a_failed_refresh_stopped_is_not_whenever_its_event_comes(told: Told) -> None:
    told.fail_to_refresh()
    told.hear(STARTED, STOPPED)
    await told.noted()
    assert await told.desired() is Desired.STARTED


@pytest.mark.parametrize(("fails", "meant"), [(True, Desired.STARTED), (False, Desired.STOPPED)])
async def test_a_stop_that_is_heard_while_a_refresh_runs_is_judged_by_how_that_ends(
    told: Told, fails: bool, meant: Desired
) -> None:
    with suppress(ModelError), told.fake.own_changes.refreshing("p"):
        told.hear(STOPPED)
        assert await told.noted() == {"p"}
        assert told.wishes.is_undecided("p")
        if fails:
            raise ModelError(Reason.PATH_NOT_USABLE, "gone")
    assert await told.noted() == set()
    assert await told.desired() is meant


async def test_what_others_did_before_a_failed_refresh_is_meant_though_that_undid_it(told: Told) -> None:
    told.hear(STOPPED)
    await told.noted()
    told.fail_to_refresh()
    told.hear(STARTED, STOPPED)
    await told.noted()
    assert await told.desired() is Desired.STARTED


async def test_our_own_start_and_stop_are_no_wishes_whatever_is_wished_between(told: Told) -> None:
    facts = told.fake.hypervisor.pools["p"]
    with told.fake.own_changes.changing("p", STARTED, wished=True):
        pass
    await told.fake.intents.want(facts, Desired.STOPPED, "StopPool")
    told.hear(STARTED)  # late: it is being stopped
    await told.noted()
    assert await told.desired() is Desired.STOPPED


@pytest.mark.parametrize(("own", "others"), [(STOPPED, STARTED), (STARTED, STOPPED)])
async def test_what_was_wished_of_the_agent_after_what_others_did_stays_though_that_is_heard_after_the_wish(
    told: Told, own: PoolEventKind, others: PoolEventKind
) -> None:
    wanted = Desired(own.value)
    await told.fake.intents.want(told.fake.hypervisor.pools["p"], wanted, "an operation")
    told.fake.clock.time_s += 0.01
    with told.fake.own_changes.changing("p", own, wished=True):
        told.hear(others, own)
    await told.noted()
    assert await told.desired() is wanted


async def test_what_others_started_is_meant_though_a_failed_refresh_undid_it_before_the_look(told: Told) -> None:
    told.hear(STOPPED)
    await told.noted()
    told.hear(STARTED)
    told.become(PoolState.INACTIVE)
    told.fail_to_refresh()
    assert await told.noted() == {"p"}
    told.hear(STOPPED)
    assert await told.noted() == set()
    assert await told.desired() is Desired.STARTED


async def test_what_contradicts_what_is_seen_is_nothing_where_no_more_is_heard(told: Told) -> None:
    told.hear(STOPPED)
    told.become(PoolState.RUNNING)
    assert await told.noted() == {"p"}
    told.fake.clock.time_s += LATE_S
    assert await told.noted() == set()
    assert await told.desired() is Desired.STARTED


async def test_a_round_that_takes_long_loses_nothing_whose_successor_is_heard_meanwhile(told: Told) -> None:
    told.hear(STOPPED)
    await told.noted()
    told.hear(STARTED)
    told.fail_to_refresh()
    told.hear(STOPPED)
    told.fake.clock.time_s += LATE_S
    await told.fake.looker.pool("p")
    assert await told.wishes.note(1) == {"p"}
    assert await told.noted() == set()
    assert await told.desired() is Desired.STARTED


async def test_a_look_that_failed_says_nothing_of_what_was_heard_and_another_is_asked_for(told: Told) -> None:
    told.fake.clock.time_s += 1
    told.hear(STOPPED)
    assert await told.wishes.note(1) == {"p"}
    assert told.wishes.is_undecided("p")
    await told.noted()
    assert await told.desired() is Desired.STOPPED


async def test_a_wish_that_cannot_be_stored_is_noted_once_it_can(told: Told) -> None:
    store: Any = told.fake.intents.store
    store.full = True
    told.hear(STOPPED)
    assert await told.noted() == {"p"}
    assert told.wishes.is_undecided("p")
    store.full = False
    await told.noted()
    assert await told.desired() is Desired.STOPPED


async def test_what_became_of_another_pool_of_that_name_says_nothing_of_this_one(told: Told) -> None:
    told.hear(STOPPED, uuid="of one that is gone")
    await told.noted()
    assert await told.desired() is Desired.STARTED
    assert not told.wishes.is_undecided("p")


async def test_of_a_pool_that_is_gone_nothing_is_noted(told: Told) -> None:
    told.hear(STOPPED)
    del told.fake.hypervisor.pools["p"]
    with pytest.raises(ModelError):
        await told.fake.looker.pool("p")
    assert await told.wishes.note(1) == set()
    assert not told.wishes.is_undecided("p")


async def test_of_one_that_could_never_be_read_it_is_noted_once_it_can(told: Told) -> None:
    registry = told.fake.registry
    registry.remove("p")
    registry.looked_at_all([], {"p": ModelError(Reason.LIBVIRT_UNAVAILABLE, "away")}, 0.0)
    told.hear(STOPPED)
    assert await told.wishes.note(1) == {"p"}
    await told.noted()
    assert await told.desired() is Desired.STOPPED
