"""Defining, starting and stopping pools: decided by what is so now; checks change nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from poolfleet_agent.control.mutation import Caller, Outcome, Work
from poolfleet_agent.control.pools.define import DefinePool
from poolfleet_agent.control.pools.start import StartPool
from poolfleet_agent.control.pools.stop import StopPool
from poolfleet_agent.control.pools.undefine import UndefinePool
from poolfleet_agent.model.desired_state import Desired
from poolfleet_agent.model.errors import ModelError
from poolfleet_agent.model.operation import OperationState
from poolfleet_agent.model.pool import PoolDefinition
from poolfleet_agent.model.pool_source import DirSource
from poolfleet_agent.model.ports import PoolEvent, PoolEventKind
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


@pytest.mark.parametrize("noted", [True, False], ids=["noted", "only heard of"])
async def test_a_start_by_what_is_meant_ends_where_somebody_stopped_the_pool_since(fake: Any, noted: bool) -> None:
    facts = fake.registry.snapshot.pools["off"].pool.facts
    await fake.intents.want(facts, Desired.STARTED, "before")
    host = use_case_host(fake)
    work = await StartPool(host=host, pool="off", as_meant=True).check()
    assert isinstance(work, Work)
    if noted:
        await fake.intents.want(facts, Desired.STOPPED, "stopped on the host")
    else:
        host.observer.hear(PoolEvent(kind=PoolEventKind.STOPPED, pool="off"))
    with pytest.raises(ModelError, match="stopped by others"):
        await work.perform(SimpleNamespace(warn=None))  # type: ignore[arg-type]
    assert "start_pool off" not in fake.hypervisor.called
    # Somebody's own wish counts all the same.
    assert (await operations().submit(StartPool(host=host, pool="off"), CALLER)).changed
    assert await desired(fake, "off") == (Desired.STARTED, Desired.STARTED)


async def test_so_does_one_whose_pool_is_stopped_while_it_waits(fake: Any) -> None:
    facts = fake.registry.snapshot.pools["off"].pool.facts
    await fake.intents.want(facts, Desired.STARTED, "before")

    async def passed(*_: object) -> None:
        await fake.intents.want(facts, Desired.STOPPED, "stopped on the host")

    grace: Any = SimpleNamespace(passed=passed)
    host = replace(use_case_host(fake), grace=grace)
    operation = await operations().submit(StartPool(host=host, pool="off", as_meant=True), CALLER)
    assert operation.state is OperationState.CANCELLED
    assert "start_pool off" not in fake.hypervisor.called


async def test_what_is_heard_of_others_late_does_not_undo_a_start_that_waits(fake: Any) -> None:
    host = use_case_host(fake)

    async def passed(*_: object) -> None:
        host.clock.time_s += 0.01  # type: ignore[attr-defined]
        host.observer.hear(PoolEvent(kind=PoolEventKind.STOPPED, pool="off"))
        await host.looker.pool("off")
        await host.observer.wishes.note(1)
        assert await desired(fake, "off") == (Desired.STOPPED, Desired.STOPPED)
        host.clock.time_s += 0.01  # type: ignore[attr-defined]

    grace: Any = SimpleNamespace(passed=passed)
    await operations().submit(StartPool(host=replace(host, grace=grace), pool="off"), CALLER)
    host.observer.hear(PoolEvent(kind=PoolEventKind.STARTED, pool="off"))
    await host.looker.pool("off")
    assert await host.observer.wishes.note(1) == set()
    assert await desired(fake, "off") == (Desired.STARTED, Desired.STARTED)


async def test_a_pool_that_went_unnoticed_is_defined_anew_not_found_unchanged(fake: Any) -> None:
    del fake.hypervisor.pools["off"]
    definition = PoolDefinition(name="off", type="dir", source=DirSource(), target_path="/pools/off")
    assert isinstance(await DefinePool(host=use_case_host(fake), definition=definition).check(), Work)


async def test_a_pool_that_went_unnoticed_is_missing_where_that_is_allowed(fake: Any) -> None:
    del fake.hypervisor.pools["off"]
    outcome = await UndefinePool(host=use_case_host(fake), pool="off", allow_missing=True).check()
    assert outcome == Outcome(changed=False)
