"""StopPool by force: past what hangs on a dead share, in the order that frees libvirt, never where it is not ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from poolfleet_agent.control.mutation import Caller
from poolfleet_agent.control.operations import Operations
from poolfleet_agent.control.pools import dead_share
from poolfleet_agent.control.pools.refresh import RefreshPool
from poolfleet_agent.control.pools.start import StartPool
from poolfleet_agent.control.pools.stop import StopPool
from poolfleet_agent.model.desired_state import Desired
from poolfleet_agent.model.domain_disk import DiskRole, DomainReading, DomainReference, DomainState
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.operation import Operation, OperationState
from poolfleet_agent.model.pool import HealthStatus, PoolFacts
from poolfleet_agent.model.pool_source import NetfsSource
from poolfleet_agent.model.ports import MountRequest
from tests.unit.agent.fake_host import FakeHost, operations, pool_facts, until, use_case_host

CALLER = Caller(name="unix", rpc="StopPool")
TARGET = "/pools/far"
SOURCE = NetfsSource(host="192.0.2.1", path="/export", format="nfs")
SOON_S = 30.0


def far_facts() -> PoolFacts:
    facts = pool_facts("far")
    definition = replace(facts.definition, type="netfs", source=SOURCE)
    return replace(facts, definition=definition, stored_definition=definition)


class FakeMounts:
    """Unmounting by force lets the calls come back that hang on the mount."""

    def __init__(self, fake: FakeHost) -> None:
        self.fake = fake
        self.frees = True
        self.forced: list[str] = []
        self.kept: set[str] = set()

    async def table(self) -> Any:
        return self.fake.watch.table()

    @asynccontextmanager
    async def forced_off(self, target: str) -> AsyncIterator[None]:
        self.forced.append(target)
        self.fake.hypervisor.called.append(f"forced off {target}")
        self.fake.watch.unmount(target)
        for event in self.fake.hypervisor.held.values() if self.frees else ():
            event.set()
        yield
        self.fake.hypervisor.called.append(f"given up {target}")

    async def kept_by_host(self, target: str) -> bool:
        return target in self.kept

    def shares_host_namespace(self) -> bool:
        return False


@pytest.fixture
async def fake() -> AsyncIterator[Any]:
    fake: Any = FakeHost()
    fake.mounts = FakeMounts(fake)
    fake.hypervisor.add(far_facts(), "disk")
    fake.hypervisor.add(pool_facts("near"))
    fake.watch.mount(TARGET, "192.0.2.1:/export")
    await fake.looker.all_pools()
    fake.watch.become(TARGET, HealthStatus.UNRESPONSIVE)
    fake.hypervisor.called.clear()
    yield fake
    await fake.looker.close()


@pytest.fixture
async def running() -> AsyncIterator[Operations]:
    made = operations()
    yield made
    await made.drain(0.0)


def force(fake: Any, **asked: Any) -> StopPool:
    return StopPool(host=use_case_host(fake), pool="far", force=True, **asked)


async def ended(running: Operations, operation: Operation) -> Operation:
    async with asyncio.timeout(SOON_S):
        return await running.journal.wait(operation.id, SOON_S)


async def refused(mutation: StopPool) -> ModelError:
    async with asyncio.timeout(SOON_S):
        with pytest.raises(ModelError) as error:
            await mutation.check()
    return error.value


async def test_the_share_is_unmounted_before_libvirt_is_asked_anything_and_the_pool_is_meant_to_be_stopped(
    fake: Any, running: Operations
) -> None:
    operation = await ended(running, await running.submit(force(fake), CALLER))
    assert (operation.state, operation.changed) == (OperationState.SUCCEEDED, True)
    assert fake.hypervisor.called[:5] == [
        "read_domains", f"forced off {TARGET}", "until_pool_calls_are_back far", "stop_pool far", f"given up {TARGET}",
    ]  # fmt: skip
    pool = fake.registry.snapshot.pools["far"].pool
    assert (pool.active, pool.desired.desired) == (False, Desired.STOPPED)


async def test_it_goes_past_an_operation_that_hangs_and_stops_the_pool_when_that_is_back(
    fake: Any, running: Operations
) -> None:
    fake.watch.become(TARGET, HealthStatus.HEALTHY)
    fake.hypervisor.hold("refresh_pool far")
    refresh = asyncio.create_task(running.submit(RefreshPool(host=use_case_host(fake), pool="far"), CALLER))
    await until(lambda: "refresh_pool far" in fake.hypervisor.called)
    fake.watch.become(TARGET, HealthStatus.UNRESPONSIVE)
    hung = await ended(running, await refresh)
    assert hung.failure is not None
    assert hung.failure.reason == Reason.POOL_UNRESPONSIVE, "its callers are told as soon as it is known"
    with pytest.raises(ModelError) as error:
        await running.submit(RefreshPool(host=use_case_host(fake), pool="far"), CALLER)
    assert error.value.reason is Reason.POOL_UNRESPONSIVE, "who comes later too, while the call holds the lane"
    operation = await ended(running, await running.submit(force(fake), CALLER))
    assert operation.state is OperationState.SUCCEEDED
    order = [call for call in fake.hypervisor.called if call.startswith(("force", "refresh", "stop"))]
    assert order == ["refresh_pool far", f"forced off {TARGET}", "stop_pool far"]


async def test_a_start_that_hangs_is_given_up(fake: Any, running: Operations) -> None:
    fake.watch.become(TARGET, HealthStatus.HEALTHY)
    fake.hypervisor.pools["far"] = replace(far_facts(), state=pool_facts("x", active=False).state)
    await fake.looker.pool("far")
    fake.hypervisor.hold("start_pool far")
    start = asyncio.create_task(running.submit(StartPool(host=use_case_host(fake), pool="far"), CALLER))
    await until(lambda: "start_pool far" in fake.hypervisor.called)
    fake.watch.become(TARGET, HealthStatus.UNRESPONSIVE)
    fake.mounts.frees = False
    operation = await ended(running, await running.submit(force(fake), CALLER))
    assert operation.state is OperationState.SUCCEEDED
    assert (await ended(running, await start)).state is OperationState.CANCELLED


async def test_while_it_is_at_work_others_are_told_to_come_again_and_the_same_joins(
    fake: Any, running: Operations
) -> None:
    fake.hypervisor.hold("stop_pool far")
    fake.mounts.frees = False
    first = asyncio.create_task(running.submit(force(fake), CALLER))
    await until(lambda: "stop_pool far" in fake.hypervisor.called)
    fake.watch.mount(TARGET, "192.0.2.1:/export")
    fake.watch.become(TARGET, HealthStatus.UNRESPONSIVE)
    for other in (force(fake, allow_in_use=True), RefreshPool(host=use_case_host(fake), pool="far")):
        with pytest.raises(ModelError) as error:
            await running.submit(other, CALLER)
        assert error.value.reason is Reason.OPERATION_IN_PROGRESS
    second = asyncio.create_task(running.submit(force(fake), CALLER))
    await asyncio.sleep(0)
    fake.hypervisor.held["stop_pool far"].set()
    assert (await first).id == (await second).id
    assert len(fake.mounts.forced) == 1


async def test_a_share_that_fell_silent_since_its_last_probe_is_found_out(fake: Any, running: Operations) -> None:
    fake.watch.become(TARGET, HealthStatus.HEALTHY)
    fake.watch.silent.add(TARGET)
    await ended(running, await running.submit(force(fake), CALLER))
    assert fake.mounts.forced == [TARGET]


async def test_with_a_share_that_answers_it_is_a_stop_like_any_other(fake: Any, running: Operations) -> None:
    fake.watch.become(TARGET, HealthStatus.HEALTHY)
    fake.hypervisor.hold("refresh_pool far")
    refresh = asyncio.create_task(running.submit(RefreshPool(host=use_case_host(fake), pool="far"), CALLER))
    await until(lambda: "refresh_pool far" in fake.hypervisor.called)
    with pytest.raises(ModelError) as error:
        await running.submit(force(fake), CALLER)
    assert error.value.reason is Reason.OPERATION_IN_PROGRESS
    fake.hypervisor.held["refresh_pool far"].set()
    await refresh
    await ended(running, await running.submit(force(fake), CALLER))
    assert fake.mounts.forced == []
    assert "stop_pool far" in fake.hypervisor.called


async def test_what_others_mounted_is_never_undone(fake: Any) -> None:
    fake.mounts.kept.add(TARGET)
    assert (await refused(force(fake))).reason is Reason.MOUNT_NOT_OURS, "by fstab, before the agent was there"
    fake.mounts.kept.clear()
    await fake.book.found(MountRequest(source=SOURCE, target=TARGET))
    assert (await refused(force(fake))).reason is Reason.MOUNT_NOT_OURS
    folder = pool_facts("below", target=f"{TARGET}/below")
    fake.hypervisor.add(folder)
    fake.watch.become(TARGET, HealthStatus.HEALTHY)
    await fake.looker.pool("below")
    fake.watch.become(TARGET, HealthStatus.UNRESPONSIVE)
    below = StopPool(host=use_case_host(fake), pool="below", force=True)
    assert (await refused(below)).reason is Reason.MOUNT_NOT_OURS


def running_domain(path: str) -> DomainReference:
    return DomainReference(
        domain="guest", domain_uuid="u", domain_state=DomainState.ACTIVE, role=DiskRole.DISK, target="vda",
        source_kind="file", path=path, format="raw",
    )  # fmt: skip


async def test_a_running_domain_on_it_is_a_reason_to_refuse_as_far_as_it_can_be_told(fake: Any) -> None:
    fake.hypervisor.domains = DomainReading(references=(running_domain(f"{TARGET}/disk"),))
    error = await refused(force(fake))
    assert (error.reason, error.metadata["domains"]) == (Reason.POOL_IN_USE, "guest")
    await force(fake, allow_in_use=True).check()
    fake.hypervisor.domains = DomainReading(references=(), missing=("qemu:///system: away",))
    assert (await refused(force(fake))).reason is Reason.LIBVIRT_UNAVAILABLE


async def test_what_a_running_domain_was_seen_to_use_while_the_share_answered_counts(fake: Any) -> None:
    fake.hypervisor.domains = DomainReading(references=(running_domain(f"{TARGET}/disk"),))
    await use_case_host(fake).fresh_disks()
    fake.hypervisor.domains = DomainReading(references=(running_domain("/pools/near/top"),))
    assert (await refused(force(fake))).reason is Reason.POOL_IN_USE
    fake.hypervisor.domains = DomainReading(references=())
    await force(fake).check()


async def test_a_libvirt_that_does_not_come_back_is_left_to_a_person(
    fake: Any, running: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_share, "FREE_WITHIN_S", 0.05)
    fake.mounts.frees = False
    fake.hypervisor.hold("until_pool_calls_are_back far")
    operation = await ended(running, await running.submit(force(fake), CALLER))
    assert operation.failure is not None
    assert operation.failure.reason == Reason.OPERATION_TIMED_OUT
    assert "restart libvirtd" in operation.failure.message
    assert "stop_pool far" not in fake.hypervisor.called


async def test_libvirt_is_not_told_to_stop_a_pool_beside_another_mount_on_which_that_would_hang(
    fake: Any, running: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_share, "OTHERS_GO_WITHIN_S", 0.05)
    fake.watch.mount("/elsewhere", "192.0.2.1:/other")
    fake.watch.become("/elsewhere", HealthStatus.UNRESPONSIVE)
    operation = await ended(running, await running.submit(force(fake), CALLER))
    assert operation.failure is not None
    assert operation.failure.reason == Reason.HOST_MOUNT_UNRESPONSIVE
    assert fake.mounts.forced == [TARGET], "of the other pool's mount nothing is touched"
    assert "stop_pool far" not in fake.hypervisor.called
    fake.watch.unmount("/elsewhere")
    again = await ended(running, await running.submit(StopPool(host=use_case_host(fake), pool="far"), CALLER))
    assert again.state is OperationState.SUCCEEDED


async def test_an_ordinary_stop_is_refused_where_libvirt_would_pass_a_dead_mount_on_its_way(fake: Any) -> None:
    fake.watch.become(TARGET, HealthStatus.HEALTHY)
    stop = StopPool(host=use_case_host(fake), pool="far")
    fake.watch.mount("/later", "192.0.2.1:/other")
    fake.watch.become("/later", HealthStatus.UNRESPONSIVE)
    await stop.check()
    fake.watch.entries.reverse()
    assert (await refused(stop)).reason is Reason.HOST_MOUNT_UNRESPONSIVE
