"""A started pool whose share is lost is brought back by a start, where that takes nothing from anybody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from poolfleet_agent.control.mutation import Caller
from poolfleet_agent.control.pools.start import StartPool
from poolfleet_agent.model.domain_disk import DiskRole, DomainReading, DomainReference, DomainState
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.operation import OperationState
from poolfleet_agent.model.pool import HealthStatus, MountOwner
from poolfleet_agent.model.pool_source import NetfsSource
from tests.unit.agent.fake_host import FakeHost, operations, pool_facts, use_case_host
from tests.unit.agent.fake_mounts import FakeMounts

CALLER = Caller(name="unix", rpc="StartPool")
TARGET = "/pools/far"
SOURCE = NetfsSource(host="10.0.0.1", path="/export")


class Mounts(FakeMounts):
    """What is mounted is what the watch sees, too."""

    def __init__(self, fake: FakeHost) -> None:
        super().__init__()
        self._fake = fake

    async def mount(self, request: Any, *, timeout_s: float) -> None:
        await super().mount(request, timeout_s=timeout_s)
        self._fake.watch.mount(request.target, f"{request.source.host}:{request.source.path}")

    async def unmount(self, target: str, *, timeout_s: float = 10.0) -> None:
        await super().unmount(target, timeout_s=timeout_s)
        self._fake.watch.unmount(target)


@pytest.fixture
async def fake() -> AsyncIterator[FakeHost]:
    fake = FakeHost()
    facts = pool_facts("far")
    definition = replace(facts.definition, type="netfs", source=SOURCE)
    fake.hypervisor.add(replace(facts, definition=definition, stored_definition=definition), "a")
    fake.mounts = Mounts(fake)
    fake.mounts.put(TARGET, "10.0.0.1:/export")
    fake.watch.mount(TARGET, "10.0.0.1:/export")
    await fake.looker.all_pools()
    fake.hypervisor.called.clear()
    yield fake
    await fake.looker.close()


def asked_of_libvirt(fake: FakeHost) -> list[str]:
    return [call for call in fake.hypervisor.called if call.split()[0] in {"start_pool", "stop_pool", "refresh_pool"}]


async def start(fake: FakeHost) -> bool:
    running = operations()
    operation = await running.submit(StartPool(host=use_case_host(fake), pool="far"), CALLER)
    operation = await running.journal.wait(operation.id, 10)
    assert operation.state is OperationState.SUCCEEDED, operation.failure
    return operation.changed


async def refused(fake: FakeHost) -> Reason:
    with pytest.raises(ModelError) as error:
        await operations().submit(StartPool(host=use_case_host(fake), pool="far"), CALLER)
    return error.value.reason


def stale(fake: FakeHost) -> None:
    fake.watch.become(TARGET, HealthStatus.FAULTY, Reason.STALE)


def used_by_a_running_domain(fake: FakeHost) -> None:
    reference = DomainReference(
        domain="web", domain_uuid="u", domain_state=DomainState.ACTIVE, role=DiskRole.DISK, target="vda",
        source_kind="volume", pool="far", volume="a",
    )  # fmt: skip
    fake.hypervisor.domains = DomainReading(references=(reference,))


async def test_a_pool_that_has_its_share_is_left_as_it_is(fake: FakeHost) -> None:
    assert not await start(fake)
    assert asked_of_libvirt(fake) == []


async def test_below_a_pool_whose_share_was_unmounted_it_is_mounted_and_libvirt_looks_anew(fake: FakeHost) -> None:
    await fake.mounts.unmount(TARGET)
    used_by_a_running_domain(fake)
    assert await start(fake)
    assert asked_of_libvirt(fake) == ["start_pool far", "refresh_pool far"]
    assert fake.mounts.on(TARGET) == ["10.0.0.1:/export"]
    assert fake.book.owner(TARGET) is MountOwner.AGENT


async def test_a_stale_share_goes_with_a_stop_of_libvirt_s_and_is_mounted_anew(fake: FakeHost) -> None:
    stale(fake)
    assert await start(fake)
    assert asked_of_libvirt(fake) == ["stop_pool far", "start_pool far"]
    assert (fake.mounts.mount_calls, fake.mounts.on(TARGET)) == (1, ["10.0.0.1:/export"])


async def test_a_stale_share_that_a_running_domain_uses_stays(fake: FakeHost) -> None:
    stale(fake)
    used_by_a_running_domain(fake)
    assert await refused(fake) is Reason.POOL_IN_USE
    assert (asked_of_libvirt(fake), fake.mounts.on(TARGET)) == ([], ["10.0.0.1:/export"])


async def test_a_stale_share_of_somebody_else_s_stays(fake: FakeHost) -> None:
    stale(fake)
    await fake.book.saw_share(TARGET, SOURCE, MountOwner.FOREIGN)
    assert await refused(fake) is Reason.MOUNT_NOT_OURS
    assert (asked_of_libvirt(fake), fake.mounts.on(TARGET)) == ([], ["10.0.0.1:/export"])


async def test_a_wrong_share_stays(fake: FakeHost) -> None:
    fake.watch.unmount(TARGET)
    fake.watch.mount(TARGET, "10.0.0.1:/other")
    assert await refused(fake) is Reason.WRONG_SHARE
    assert asked_of_libvirt(fake) == []
