"""ResizeVolume: who does it, what it must not cut off, and what is left of one that was cut off itself."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from typing import Any

import pytest

from poolfleet_agent.control.journal import Journal
from poolfleet_agent.control.mutation import Caller, Work
from poolfleet_agent.control.operations import Operations
from poolfleet_agent.control.report import Report
from poolfleet_agent.control.volumes.resize import ResizeVolume
from poolfleet_agent.control.volumes.space import Promise, Promises
from poolfleet_agent.model.domain_disk import DomainState
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.operation import Operation, OperationState
from poolfleet_agent.model.resizing import NewSize
from poolfleet_agent.model.volume import BackingStore
from tests.unit.agent.fake_host import MIB, FakeHost, operations, until, use_case_host, used, volume_facts
from tests.unit.agent.memory_operations import MemoryOperations

CALLER = Caller(name="unix", rpc="ResizeVolume")
PATH = "/pools/p/v"


@pytest.fixture
def small(fake: FakeHost) -> FakeHost:
    """A raw volume of 100 bytes."""
    fake.hypervisor.volumes["p"]["v"] = volume_facts("p", "v", capacity_bytes=100)
    fake.files.kept[PATH] = b"x" * 100
    return fake


def resize(
    fake: FakeHost,
    capacity_bytes: int | None = None,
    *,
    promises: Promises | None = None,
    ratio: float = 0.0,
    **asked: Any,
) -> ResizeVolume:
    size = NewSize(capacity_bytes=capacity_bytes, delta_bytes=asked.pop("delta_bytes", None))
    host = use_case_host(fake, overcommit_ratio=ratio)
    return ResizeVolume(host=host, promises=promises or Promises(), pool="p", volume="v", size=size, **asked)


async def resized(fake: FakeHost, *size: int, **asked: Any) -> Operation:
    return await operations().submit(resize(fake, *size, **asked), CALLER)


async def refusal(fake: FakeHost, *size: int, **asked: Any) -> ModelError:
    with pytest.raises(ModelError) as refused:
        await resized(fake, *size, **asked)
    return refused.value


def by_libvirt(fake: FakeHost) -> list[str]:
    return [call for call in fake.hypervisor.called if call.startswith("resize_volume")]


async def test_libvirt_grows_and_the_agent_shrinks_and_allocates(small: FakeHost) -> None:
    assert (await resized(small, 150)).changed
    assert by_libvirt(small) == ["resize_volume p v 150"]
    small.files.kept[PATH] = b"x" * 150
    assert (await resized(small, 80, allow_shrink=True)).changed
    assert small.files.kept[PATH] == b"x" * 80
    small.hypervisor.volumes["p"]["v"] = volume_facts("p", "v", capacity_bytes=80)
    assert (await resized(small, 90, allocate=True)).changed
    assert len(small.files.kept[PATH]) == 90
    assert [(file.path, size) for file, size, _ in small.contents.allocated] == [(PATH, 90)]
    assert len(by_libvirt(small)) == 1


@pytest.mark.parametrize("ends_by", ["cancellation", "failure"])
async def test_an_allocation_that_is_cut_off_gives_the_former_length_back(small: FakeHost, ends_by: str) -> None:
    running = operations()
    small.contents.held = asyncio.Event()
    small.contents.failing = ModelError(Reason.FULL, "no space")
    asked = asyncio.create_task(running.submit(resize(small, 150, allocate=True), CALLER))
    await until(lambda: small.contents.allocated)
    assert len(small.files.kept[PATH]) == 150
    (known,) = running.journal.newest_first()
    assert known.cancellable
    if ends_by == "cancellation":
        await running.cancel(known.id)
    else:
        small.contents.held.set()
    ended = await running.journal.wait((await asked).id, 5)
    cancelled = ends_by == "cancellation"
    assert ended.state is (OperationState.CANCELLED if cancelled else OperationState.FAILED)
    assert small.files.kept[PATH] == b"x" * 100


async def test_a_volume_shrinks_after_its_bytes_are_taken_so_that_a_failure_cuts_off_nothing(small: FakeHost) -> None:
    small.contents.failing = ModelError(Reason.FULL, "no space")
    failure = (await resized(small, 80, allow_shrink=True, allocate=True)).failure
    assert failure is not None
    assert failure.reason is Reason.FULL
    assert small.files.kept[PATH] == b"x" * 100


async def test_a_file_that_somebody_else_resized_meanwhile_is_left_alone(small: FakeHost) -> None:
    small.files.kept[PATH] = b"x" * 120
    failure = (await resized(small, 80, allow_shrink=True)).failure
    assert failure is not None
    assert failure.reason is Reason.RESOURCE_BUSY
    assert len(small.files.kept[PATH]) == 120


async def test_what_a_running_guest_uses_is_its_hypervisor_s_to_resize(small: FakeHost) -> None:
    used(small, DomainState.ACTIVE)
    for size in (150, 80):
        error = await refusal(small, size, allow_shrink=True)
        assert (error.reason, "web" in error.metadata["users"]) == (Reason.VOLUME_IN_USE, True)
    assert "hypervisor" in (await refusal(small, 150)).message
    assert (await resized(small, 150, allow_in_use=True)).changed


async def test_a_stopped_guest_is_a_warning_where_its_disk_shrinks(small: FakeHost) -> None:
    used(small, DomainState.INACTIVE)
    assert (await resized(small, 80, allow_shrink=True)).warnings == (
        "domains that are defined but not running use this volume: web",
    )


async def test_what_another_volume_lies_on_grows_and_does_not_shrink(small: FakeHost) -> None:
    top = replace(volume_facts("p", "top"), format="qcow2", backing_store=BackingStore(path=PATH))
    small.hypervisor.volumes["p"]["top"] = top
    await small.looker.pool("p")
    error = await refusal(small, 80, allow_shrink=True)
    assert (error.reason, "p/top" in error.metadata["users"]) == (Reason.VOLUME_IN_USE, True)
    assert (await resized(small, 80, allow_shrink=True, allow_in_use=True)).changed
    small.hypervisor.volumes["p"]["v"] = volume_facts("p", "v", capacity_bytes=80)
    assert (await resized(small, 150)).changed


async def test_what_is_promised_to_others_is_not_there_to_be_allocated(small: FakeHost) -> None:
    promises = Promises()
    with promises.hold("p", Promise(at_once_bytes=600 * MIB)):
        assert (await refusal(small, 600 * MIB, allocate=True, promises=promises)).reason is Reason.NO_SPACE
        assert promises.of("p").at_once_bytes == 600 * MIB
    assert (await resized(small, 600 * MIB, allocate=True, promises=promises)).failure is None


async def test_what_is_added_counts_as_provisioned(small: FakeHost) -> None:
    assert (await refusal(small, 1001 * MIB, ratio=1.0)).reason is Reason.NO_SPACE
    assert (await resized(small, 1001 * MIB, ratio=2.0)).changed


async def _two_at_once(fake: FakeHost, running: Operations, **asked: Any) -> list[Any]:
    held = fake.hypervisor.hold("resize_volume p v 150")
    callers = [replace(CALLER, request_id=str(uuid.uuid4())) for _ in range(2)]
    first = asyncio.create_task(running.submit(resize(fake, **asked), callers[0]))
    await until(lambda: by_libvirt(fake))
    second = asyncio.create_task(running.submit(resize(fake, **asked), callers[1]))
    await until(lambda: second.done() or any(len(one.request_ids) == 2 for one in running.journal.newest_first()))
    held.set()
    return list(await asyncio.gather(first, second, return_exceptions=True))


async def test_one_capacity_asked_for_by_two_is_one_operation_and_two_deltas_are_not(small: FakeHost) -> None:
    first, second = await _two_at_once(small, operations(), capacity_bytes=150)
    assert first.id == second.id
    small.hypervisor.volumes["p"]["v"] = volume_facts("p", "v", capacity_bytes=100)
    small.hypervisor.called.clear()
    first, second = await _two_at_once(small, operations(), delta_bytes=50)
    assert isinstance(first, Operation)
    assert isinstance(second, ModelError)
    assert second.reason is Reason.OPERATION_IN_PROGRESS


async def test_its_bytes_are_promised_until_its_pool_was_looked_at(small: Any) -> None:
    promises = Promises()
    looked_at = small.hypervisor.hold("read_pool p")
    looked_at.set()
    work = await resize(small, 300, promises=promises).check()
    assert isinstance(work, Work)
    looked_at.clear()
    small.hypervisor.called.clear()
    performing = asyncio.ensure_future(
        work.perform(Report(journal=Journal(store=MemoryOperations()), operation_id="o"))
    )
    await until(lambda: "read_pool p" in small.hypervisor.called)
    assert promises.of("p").capacity_bytes == 200
    looked_at.set()
    await performing
    assert promises.of("p").capacity_bytes == 0
