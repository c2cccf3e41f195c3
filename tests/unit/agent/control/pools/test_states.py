"""Defining, starting and stopping pools: decided by what is so now; checks change nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from poolfleet_agent.control.mutation import Caller, Outcome, Work
from poolfleet_agent.control.pools.define import DefinePool
from poolfleet_agent.control.pools.start import StartPool
from poolfleet_agent.control.pools.stop import StopPool
from poolfleet_agent.control.pools.undefine import UndefinePool
from poolfleet_agent.model.desired_state import Desired
from poolfleet_agent.model.pool import PoolDefinition
from poolfleet_agent.model.pool_source import DirSource
from tests.unit.agent.fake_host import FakeHost, operations, pool_facts, use_case_host

CALLER = Caller(name="unix", rpc="StartPool")


@pytest.fixture
async def fake() -> AsyncIterator[FakeHost]:
    fake = FakeHost()
    fake.hypervisor.add(pool_facts("on"))
    fake.hypervisor.add(pool_facts("off", active=False))
    await fake.looker.all_pools()
    yield fake
    await fake.looker.close()


async def desired(fake: FakeHost, pool: str) -> tuple[Desired, Desired | None]:
    """What is kept, and what is shown."""
    entry = fake.registry.snapshot.pools[pool].pool
    return (await fake.intents.of(entry.facts)).desired.desired, entry.desired.desired if entry.desired else None


@pytest.mark.parametrize(
    ("pool", "mutation", "before", "after"),
    [("on", StartPool, Desired.STOPPED, Desired.STARTED), ("off", StopPool, Desired.STARTED, Desired.STOPPED)],
    ids=["start", "stop"],
)
async def test_what_is_in_the_asked_state_already_is_only_meant_to_be_from_then_on(
    fake: Any, pool: Any, mutation: Any, before: Any, after: Any
) -> None:
    await fake.intents.want(fake.registry.snapshot.pools[pool].pool.facts, before, "before")
    await fake.looker.pool_facts(pool)
    asked, running = mutation(host=use_case_host(fake), pool=pool), operations()
    await running.submit(asked, CALLER, validate_only=True)
    assert await desired(fake, pool) == (before, before), "a check changes nothing"
    assert not (await running.submit(asked, CALLER)).changed
    assert await desired(fake, pool) == (after, after)
    assert isinstance(await asked.check(), Outcome)


async def test_a_pool_that_went_unnoticed_is_defined_anew_not_found_unchanged(fake: Any) -> None:
    del fake.hypervisor.pools["off"]
    definition = PoolDefinition(name="off", type="dir", source=DirSource(), target_path="/pools/off")
    assert isinstance(await DefinePool(host=use_case_host(fake), definition=definition).check(), Work)


async def test_a_pool_that_went_unnoticed_is_missing_where_that_is_allowed(fake: Any) -> None:
    del fake.hypervisor.pools["off"]
    outcome = await UndefinePool(host=use_case_host(fake), pool="off", allow_missing=True).check()
    assert outcome == Outcome(changed=False)
