"""What an attempt that was cut off left mounted: it is its started pool's, or taken over by a start, or undone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from poolfleet_agent.control.lanes import Lanes
from poolfleet_agent.control.pools.leftover import Leftovers
from poolfleet_agent.model.operation import OperationKind
from poolfleet_agent.model.pool import MountOwner
from poolfleet_agent.model.pool_source import NetfsSource
from poolfleet_agent.model.ports import MountRequest
from tests.unit.agent.fake_host import FakeHost, pool_facts, use_case_host

SOURCE = NetfsSource(host="10.0.0.1", path="/export")
SHOWN = "10.0.0.1:/export"


class Left:
    """Attempts that were left for the pools `on`, which is started, and `off`, and for one that is no more."""

    def __init__(self) -> None:
        self.fake = FakeHost()
        self.lanes = Lanes()
        self.meant_to_start = False
        for name, active in (("on", True), ("off", False)):
            facts = pool_facts(name, active=active)
            definition = replace(facts.definition, type="netfs", source=SOURCE)
            self.fake.hypervisor.add(replace(facts, definition=definition, stored_definition=definition))

    async def leave(self, name: str, *, mounted: bool = True) -> str:
        target = f"/pools/{name}"
        await self.fake.book.attempting(MountRequest(source=SOURCE, target=target))
        if mounted:
            self.fake.mounts.put(target, SHOWN)
            self.fake.watch.mount(target, SHOWN)
        return target

    async def tidy(self) -> None:
        host = use_case_host(self.fake)
        await Leftovers(host=host, lanes=self.lanes, will_start=lambda pool: self.meant_to_start).tidy()


@pytest.fixture
async def left() -> AsyncIterator[Left]:
    left = Left()
    await left.fake.looker.all_pools()
    yield left
    await left.fake.looker.close()


async def test_it_is_the_pool_s_where_libvirt_has_it_started(left: Left) -> None:
    target = await left.leave("on")
    await left.tidy()
    assert left.fake.mounts.on(target) == [SHOWN]
    assert (left.fake.book.owner(target), left.fake.book.attempts()) == (MountOwner.AGENT, [])


@pytest.mark.parametrize("name", ["off", "undefined"])
async def test_it_is_undone_where_nobody_will_start_on_it(left: Left, name: str) -> None:
    target = await left.leave(name)
    await left.tidy()
    assert (left.fake.mounts.on(target), left.fake.book.owner(target)) == ([], None)


async def test_a_mount_that_went_on_by_itself_is_ended_before_it_is_forgotten(left: Left) -> None:
    target = await left.leave("off", mounted=False)
    left.fake.mounts.orphans[target] = SHOWN
    await left.tidy()
    assert (left.fake.mounts.orphans, left.fake.book.attempts()) == ({}, [])


async def test_it_stays_for_a_start_that_is_to_come(left: Left) -> None:
    left.meant_to_start = True
    target = await left.leave("off")
    await left.tidy()
    assert (left.fake.mounts.on(target), left.fake.book.is_attempt(target)) == ([SHOWN], True)


async def test_an_attempt_at_work_is_left_alone(left: Left) -> None:
    target = await left.leave("off")
    left.lanes.claim(kind=OperationKind.START_POOL, pool="off", volume="", fingerprint="a start")
    await left.tidy()
    assert (left.fake.mounts.on(target), left.fake.book.is_attempt(target)) == ([SHOWN], True)


async def test_what_was_not_mounted_is_forgotten(left: Left) -> None:
    target = await left.leave("off", mounted=False)
    await left.tidy()
    assert left.fake.book.owner(target) is None
