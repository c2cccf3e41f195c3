"""A pool on a dead share is left alone: libvirt is not asked about it, what was seen is told, changes are refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from poolfleet_agent.control.mutation import Caller, Mutation, Work
from poolfleet_agent.control.pools.refresh import RefreshPool
from poolfleet_agent.control.pools.start import StartPool
from poolfleet_agent.control.report import Report
from poolfleet_agent.control.volumes.create import CreateVolume
from poolfleet_agent.control.volumes.delete import DeleteVolume
from poolfleet_agent.control.volumes.space import Promises
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.pool import HealthStatus, PoolFacts, PoolHealth
from poolfleet_agent.model.pool_source import NetfsSource
from poolfleet_agent.model.quarantine import Use, refusal
from poolfleet_agent.model.volume import VolumeDefinition
from tests.unit.agent.fake_host import MIB, FakeHost, operations, pool_facts, until, use_case_host

CALLER = Caller(name="unix", rpc="any")
SOON_S = 30.0


def share_facts(name: str, *, active: bool = True) -> PoolFacts:
    facts = pool_facts(name, active=active)
    definition = replace(facts.definition, type="netfs", source=NetfsSource(host="192.0.2.1", path=f"/export/{name}"))
    return replace(facts, definition=definition, stored_definition=definition)


@pytest.fixture
async def fake() -> AsyncIterator[FakeHost]:
    fake = FakeHost()
    fake.hypervisor.add(share_facts("share"), "a", "b")
    fake.hypervisor.add(share_facts("off", active=False))
    fake.hypervisor.add(pool_facts("local"), "c")
    fake.watch.mount("/pools/share", "192.0.2.1:/export/share")
    await fake.looker.all_pools()
    fake.hypervisor.called.clear()
    yield fake
    await fake.looker.close()


def changes_of(fake: FakeHost, pool: str) -> list[Mutation]:
    host = use_case_host(fake)
    volume = VolumeDefinition(name="new", format="raw", capacity_bytes=MIB, allocation_bytes=0)
    return [
        RefreshPool(host=host, pool=pool),
        CreateVolume(host=host, promises=Promises(), pool=pool, definition=volume),
        DeleteVolume(host=host, pool=pool, volume="a"),
    ]


async def refused(mutation: Mutation) -> Reason:
    async with asyncio.timeout(SOON_S):
        with pytest.raises(ModelError) as error:
            await operations().submit(mutation, CALLER)
    return error.value.reason


async def test_libvirt_is_not_asked_about_a_pool_whose_share_does_not_answer(fake: Any) -> None:
    fake.watch.become("/pools/share", HealthStatus.UNRESPONSIVE)
    for look in (fake.looker.pool, fake.looker.pool_facts):
        async with asyncio.timeout(SOON_S):
            entry = await look("share")
        assert (entry.pool.health.status, sorted(entry.volumes)) == (HealthStatus.UNRESPONSIVE, ["a", "b"])
    assert {await refused(change) for change in changes_of(fake, "share")} == {Reason.POOL_UNRESPONSIVE}
    assert not [call for call in fake.hypervisor.called if "share" in call]


async def test_what_was_last_seen_of_it_stays_and_other_pools_are_looked_at_as_before(fake: Any) -> None:
    fake.watch.become("/pools/share", HealthStatus.UNRESPONSIVE)
    await fake.looker.all_pools()
    entry = fake.registry.snapshot.pools["share"]
    assert sorted(entry.volumes) == ["a", "b"]
    assert entry.pool.health.status is HealthStatus.UNRESPONSIVE
    assert "read_pool local" in fake.hypervisor.called
    assert sorted((await fake.looker.pool("local")).volumes) == ["c"]


async def test_it_is_asked_again_as_soon_as_the_share_answers(fake: Any) -> None:
    fake.watch.become("/pools/share", HealthStatus.UNRESPONSIVE)
    fake.watch.become("/pools/share", HealthStatus.HEALTHY)
    assert (await fake.looker.pool("share")).pool.health.status is HealthStatus.HEALTHY
    assert (await operations().submit(changes_of(fake, "share")[1], CALLER)).changed


async def test_who_asks_after_one_missed_probe_waits_for_the_next(fake: Any) -> None:
    fake.watch.become("/pools/share", HealthStatus.SUSPECT)
    asked = asyncio.create_task(operations().submit(changes_of(fake, "share")[1], CALLER))
    await asyncio.sleep(0)
    assert not asked.done()
    fake.watch.become("/pools/share", HealthStatus.HEALTHY)
    async with asyncio.timeout(SOON_S):
        assert (await asked).changed


async def test_no_share_is_started_while_any_network_mount_of_the_host_is_dead(fake: Any) -> None:
    fake.watch.mount("/somewhere", "192.0.2.9:/else")
    fake.watch.become("/somewhere", HealthStatus.UNRESPONSIVE)
    with pytest.raises(ModelError) as error:
        await StartPool(host=use_case_host(fake), pool="off").check()
    assert error.value.reason is Reason.HOST_MOUNT_UNRESPONSIVE
    assert error.value.metadata["mount"] == "/somewhere"
    assert "start_pool off" not in fake.hypervisor.called


async def test_a_mount_that_died_since_its_last_probe_is_found_out_before_a_start(fake: Any) -> None:
    fake.watch.mount("/somewhere", "192.0.2.9:/else")
    fake.watch.silent.add("/somewhere")
    with pytest.raises(ModelError) as error:
        await StartPool(host=use_case_host(fake), pool="off").check()
    assert error.value.reason is Reason.HOST_MOUNT_UNRESPONSIVE
    assert error.value.metadata["mount"] == "/somewhere"


async def test_a_mount_that_dies_while_a_start_is_at_work_is_found_out_before_libvirt_is_asked(fake: Any) -> None:
    facts = pool_facts("disk", active=False)
    definition = replace(facts.definition, type="fs")
    fake.hypervisor.add(replace(facts, definition=definition, stored_definition=definition))
    start = StartPool(host=use_case_host(fake), pool="disk")
    work = await start.check()
    assert isinstance(work, Work)
    fake.watch.mount("/somewhere", "192.0.2.9:/else")
    fake.watch.silent.add("/somewhere")
    with pytest.raises(ModelError) as error:
        await work.perform(Report(journal=operations().journal, operation_id="start"))
    assert error.value.reason is Reason.HOST_MOUNT_UNRESPONSIVE
    assert "start_pool disk" not in fake.hypervisor.called


async def test_nothing_is_written_below_a_target_that_lost_its_share(fake: Any) -> None:
    fake.watch.unmount("/pools/share")
    assert {await refused(change) for change in changes_of(fake, "share")} == {Reason.UNMOUNTED}


HEALTH = PoolHealth(status=HealthStatus.FAULTY, since_s=0.0, probed_at_s=0.0)


@pytest.mark.parametrize(
    ("status", "reason", "allowed"),
    [
        (HealthStatus.HEALTHY, "", set(Use)),
        (HealthStatus.UNRESPONSIVE, Reason.POOL_UNRESPONSIVE, set()),
        (HealthStatus.FAULTY, Reason.UNMOUNTED, {Use.START_OR_STOP}),
        (HealthStatus.FAULTY, Reason.STALE, {Use.START_OR_STOP}),
        (HealthStatus.FAULTY, Reason.WRONG_SHARE, {Use.START_OR_STOP}),
        (HealthStatus.FAULTY, Reason.READ_ONLY, {Use.START_OR_STOP, Use.READ}),
        (HealthStatus.FAULTY, Reason.FULL, {Use.START_OR_STOP, Use.READ, Use.WRITE}),
    ],
)
def test_each_state_of_health_allows_what_the_table_says(status: HealthStatus, reason: str, allowed: set[Use]) -> None:
    health = replace(HEALTH, status=status, reason=reason)
    assert {use for use in Use if refusal("p", health, use) is None} == allowed
    for use in set(Use) - allowed:
        error = refusal("p", health, use)
        assert error is not None
        assert error.reason == reason


@pytest.mark.parametrize("gone", [Reason.UNMOUNTED, Reason.WRONG_SHARE])
@pytest.mark.parametrize("change", ["create_volume share new", "delete_volume share a"])
async def test_a_write_whose_share_goes_while_it_waits_for_libvirt_is_not_made(
    fake: Any, change: str, gone: Reason
) -> None:
    held = fake.hypervisor.hold(change)
    _, create, delete = changes_of(fake, "share")
    running = operations()
    asked = asyncio.create_task(running.submit(create if change.startswith("create") else delete, CALLER))
    await until(lambda: change in fake.hypervisor.called)
    fake.watch.unmount("/pools/share")
    if gone is Reason.WRONG_SHARE:
        fake.watch.mount("/pools/share", "192.0.2.1:/export/other")
    held.set()
    operation = await running.journal.wait((await asked).id, SOON_S)
    assert operation.failure is not None
    assert operation.failure.reason == gone
    assert sorted(fake.hypervisor.volumes["share"]) == ["a", "b"]
