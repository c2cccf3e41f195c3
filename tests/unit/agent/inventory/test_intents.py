"""What a pool is meant to be is known only once it is stored, and a look does not fail because it cannot be."""

from __future__ import annotations

import pytest

from poolfleet_agent.inventory.intents import Intents
from poolfleet_agent.model.desired_state import Desired
from poolfleet_agent.model.errors import ModelError
from tests.unit.agent.fake_host import FakeClock, FakeIntentStore, pool_facts


async def test_what_could_not_be_stored_is_stored_when_it_is_wanted_again() -> None:
    store = FakeIntentStore(full=True)
    intents, facts = Intents(store=store, clock=FakeClock()), pool_facts("p", active=False)
    store.full = False
    await intents.of(facts)
    store.full = True
    with pytest.raises(ModelError):
        await intents.want(facts, Desired.STARTED, "StartPool")
    store.full = False
    assert await intents.want(facts, Desired.STARTED, "StartPool")
    assert store.kept[facts.uuid].desired.desired is Desired.STARTED


async def test_a_pool_is_seen_though_its_desired_state_cannot_be_stored() -> None:
    store = FakeIntentStore(full=True)
    intents, facts = Intents(store=store, clock=FakeClock()), pool_facts("p")
    assert (await intents.of(facts)).desired.desired is Desired.STARTED
    store.full = False
    await intents.of(facts)
    assert facts.uuid in store.kept


async def test_a_wish_that_is_told_late_is_none_where_somebody_wished_since() -> None:
    clock = FakeClock()
    intents, facts = Intents(store=FakeIntentStore(), clock=clock), pool_facts("p")
    heard_at_s = clock.time_s
    clock.time_s += 1
    assert not await intents.want(facts, Desired.STARTED, "StartPool")
    assert not await intents.want(facts, Desired.STOPPED, "stopped on the host", at_s=heard_at_s)
    assert (await intents.of(facts)).desired.desired is Desired.STARTED
    assert await intents.want(facts, Desired.STOPPED, "stopped on the host", at_s=clock.time_s)
