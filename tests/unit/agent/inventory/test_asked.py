"""What a look has seen does for who asked before it began, and decides soon after."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from poolfleet_agent.control.in_use import check_volume_not_in_use, check_volume_not_written
from poolfleet_agent.control.volumes.existing import existing_volume
from poolfleet_agent.inventory.asked import SHARED_S, asked, is_new_enough
from poolfleet_agent.model.domain_disk import DiskRole, DomainReading, DomainReference, DomainState
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.quarantine import Use
from tests.unit.agent.fake_host import FakeHost, pool_facts, use_case_host, volume_facts

ASKED_S = 10.0


@pytest.fixture
async def fake() -> AsyncIterator[FakeHost]:
    fake = FakeHost()
    fake.hypervisor.add(pool_facts("p"), "a", "b")
    yield fake
    await fake.looker.close()


async def check_not_written(host: Any, pool: str, volume: str) -> None:
    entry, record = await existing_volume(host, pool, volume, etag="", use=Use.READ)
    await check_volume_not_written(host, entry, record)


@pytest.mark.parametrize(
    ("looked_at_s", "now_s", "will_do"),
    [(10.1, 10.2, True), (9.9, 10.2, False), (10.0, 10.2, False), (10.1, 10.1 + SHARED_S, False)],
    ids=["since", "before", "in the same moment", "long ago by now"],
)
def test_a_look_does_for_who_asked_before_it_and_decides_soon(looked_at_s: float, now_s: float, will_do: bool) -> None:
    with asked(ASKED_S):
        assert is_new_enough(looked_at_s, now_s=now_s) is will_do
    assert not is_new_enough(looked_at_s, now_s=now_s)


async def test_who_waited_for_its_turn_takes_the_pool_as_it_was_seen_meanwhile(fake: Any) -> None:
    await fake.looker.all_pools()
    host = use_case_host(fake)
    fake.hypervisor.called.clear()
    with asked(fake.clock.monotonic_s()):
        fake.clock.time_s += 0.1
        seen = await host.fresh_pool("p")
        fake.clock.time_s += 0.1
        assert await host.fresh_pool("p") is seen
        assert fake.hypervisor.called.count("read_pool p") == 1
        fake.clock.time_s += SHARED_S
        await host.fresh_pool("p")
    assert fake.hypervisor.called.count("read_pool p") == 2
    await host.fresh_pool("p")
    assert fake.hypervisor.called.count("read_pool p") == 3


async def test_domains_are_read_once_for_a_crowd_of_copies_and_anew_for_what_destroys(
    fake: Any,
) -> None:
    await fake.looker.all_pools()
    host = use_case_host(fake)
    fake.hypervisor.called.clear()
    with asked(fake.clock.monotonic_s()):
        fake.clock.time_s += 0.1
        for volume in ("a", "b"):
            await check_not_written(host, "p", volume)
        assert fake.hypervisor.called.count("read_domains") == 1
        entry, record = await existing_volume(host, "p", "a", etag="", use=Use.WRITE)
        await check_volume_not_in_use(host, entry, record)
    assert fake.hypervisor.called.count("read_domains") == 2


async def test_disks_that_were_placed_before_a_volume_was_known_do_not_tell_that_nobody_uses_it(
    fake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def real_path(path: str, **_: object) -> str:
        return "/dev/dm-1" if path in {"/dev/mapper/vg-new", "/dev/vg/new"} else path

    monkeypatch.setattr(fake.files, "real_path", real_path)
    facts = pool_facts("vg", target="/dev/vg")
    definition = replace(facts.definition, type="logical")
    fake.hypervisor.add(replace(facts, definition=definition, stored_definition=definition), "old")
    volumes = fake.hypervisor.volumes["vg"]
    volumes["old"] = replace(volume_facts("vg", "old", kind="block"), path="/dev/vg/old", key="old")
    await fake.looker.all_pools()
    # Made on the host since it was looked at, and used by its other name.
    volumes["new"] = replace(volume_facts("vg", "new", kind="block"), path="/dev/vg/new", key="new")
    fake.hypervisor.domains = DomainReading(
        references=(
            DomainReference(
                domain="web", domain_uuid="u", domain_state=DomainState.ACTIVE, role=DiskRole.DISK, target="vda",
                source_kind="block", path="/dev/mapper/vg-new", format="raw",
            ),
        )
    )  # fmt: skip
    host = use_case_host(fake)
    with asked(fake.clock.monotonic_s()):
        fake.clock.time_s += 0.1
        await check_not_written(host, "vg", "old")
        with pytest.raises(ModelError) as used:
            await check_not_written(host, "vg", "new")
    assert used.value.reason is Reason.VOLUME_IN_USE


async def test_what_is_begun_within_is_for_the_same_request_and_what_is_outside_for_none() -> None:
    async def look() -> bool:
        return is_new_enough(10.1, now_s=10.2)

    with asked(ASKED_S):
        within = asyncio.create_task(look())
    assert (await within, await look()) == (True, False)
