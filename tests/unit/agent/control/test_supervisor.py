"""The supervisor starts what is meant to run, and nothing that somebody has just stopped."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from poolfleet_agent.control import supervisor as supervision
from poolfleet_agent.control.pools.start import StartPool
from poolfleet_agent.control.supervisor import Supervisor
from poolfleet_agent.model.desired_state import Desired
from poolfleet_agent.model.operation import OperationState
from poolfleet_agent.model.pool import PoolState
from poolfleet_agent.model.ports import PoolEvent, PoolEventKind
from tests.unit.agent.fake_host import FakeHost, observer_of, pool_facts, until, use_case_host


class Starts:
    """Takes starts, and says that they went well. Stands for Operations and their journal."""

    def __init__(self) -> None:
        self.journal = self
        self.of: list[str] = []

    async def submit(self, mutation: StartPool, _: object) -> Any:
        self.of.append(mutation.pool)
        return SimpleNamespace(id="")

    async def wait(self, _: str, __: float) -> Any:
        return SimpleNamespace(state=OperationState.SUCCEEDED)


class Forgetful:
    """Stands for the store of snapshots."""

    async def save(self, _: object) -> None:
        pass


async def test_what_was_just_stopped_on_the_host_is_not_started_before_that_is_noted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervision, "LOOK_EVERY_S", 0.01)
    fake, starts = FakeHost(), Starts()
    for name in ("stopped", "fallen"):
        fake.hypervisor.add(pool_facts(name))
    await fake.looker.all_pools()
    observer = observer_of(fake, Forgetful())
    no_maintenance: Any = SimpleNamespace(now=SimpleNamespace(enabled=False))
    host = replace(use_case_host(fake), observer=observer, maintenance=no_maintenance)
    for name, facts in list(fake.hypervisor.pools.items()):
        fake.hypervisor.pools[name] = replace(facts, state=PoolState.INACTIVE)
    # Heard, and not looked after yet; a reader has had the pools looked at meanwhile.
    observer.hear(PoolEvent(kind=PoolEventKind.STOPPED, pool="stopped"))
    for name in ("stopped", "fallen"):
        await fake.looker.pool_facts(name)
    tasks = [asyncio.create_task(Supervisor(host=host, operations=starts).run())]  # type: ignore[arg-type]
    try:
        await until(lambda: len(starts.of) >= 3)
        assert set(starts.of) == {"fallen"}
        tasks.append(asyncio.create_task(observer.run()))

        def noted() -> bool:
            state = fake.registry.snapshot.pools["stopped"].pool.desired
            return state is not None and state.desired is Desired.STOPPED

        await until(lambda: noted() and not observer.wishes.is_undecided("stopped"))
        assert set(starts.of) == {"fallen"}
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await observer.close()
        await fake.looker.close()
