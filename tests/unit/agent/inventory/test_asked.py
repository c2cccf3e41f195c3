"""What a look has seen does for who asked before it began, and decides soon after."""

from __future__ import annotations

import asyncio

import pytest

from poolfleet_agent.inventory.asked import SHARED_S, asked, is_new_enough
from tests.unit.agent.fake_host import FakeHost, pool_facts, use_case_host


@pytest.mark.parametrize(
    ("as_of_s", "now_s", "will_do"),
    [
        (10.1, 10.2, True),
        (9.9, 10.2, False),
        (10.0, 10.2, False),
        (10.1, 10.1 + SHARED_S, False),
        (10.3, 10.2, False),
    ],
    ids=["since", "before", "in the same moment", "long ago by now", "dated by a clock that was set back"],
)
def test_a_look_does_for_who_asked_before_it_and_decides_soon(as_of_s: float, now_s: float, will_do: bool) -> None:
    with asked(10.0):
        assert is_new_enough(as_of_s, now_s=now_s) is will_do
    assert not is_new_enough(as_of_s, now_s=now_s)


async def test_who_waited_for_its_turn_takes_pool_and_disks_as_they_were_seen_meanwhile() -> None:
    fake = FakeHost()
    fake.hypervisor.add(pool_facts("p"))
    await fake.looker.all_pools()
    host = use_case_host(fake)
    fake.hypervisor.called.clear()
    with asked(fake.clock.now_s()):
        fake.clock.time_s += 0.1
        seen = await host.fresh_pool("p"), await host.fresh_disks()
        fake.clock.time_s += 0.1
        assert (await host.fresh_pool("p"), await host.fresh_disks()) == seen
        assert fake.hypervisor.called.count("read_pool p") == 1
        fake.clock.time_s += SHARED_S
        await host.fresh_pool("p")
    assert fake.hypervisor.called.count("read_pool p") == 2
    await host.fresh_pool("p")
    assert fake.hypervisor.called.count("read_pool p") == 3
    await fake.looker.close()


async def test_what_is_begun_within_is_for_the_same_request_and_what_is_outside_for_none() -> None:
    async def look() -> bool:
        return is_new_enough(10.1, now_s=10.2)

    with asked(10.0):
        within = asyncio.create_task(look())
    assert (await within, await look()) == (True, False)
