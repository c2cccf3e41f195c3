"""Adopting a storage: one marker, written once, only where the share is proven to be, never in place of a file."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import pytest

from poolfleet_agent.control.mutation import Caller
from poolfleet_agent.control.operations import Operations
from poolfleet_agent.control.storage import AdoptStorage
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.operation import Operation, OperationState
from poolfleet_agent.model.pool import HealthStatus
from tests.unit.agent.fake_host import FakeHost, operations, pool_facts, use_case_host

CALLER = Caller(name="unix", rpc="AdoptStorage")
MARKER = "/pools/p/.poolfleet/storage-id"


async def adopted(fake: FakeHost, running: Operations | None = None) -> Operation:
    mutation = AdoptStorage(host=use_case_host(fake), pool="p")
    return await (running or operations()).submit(mutation, CALLER)


async def refusal(fake: FakeHost) -> Reason:
    with pytest.raises(ModelError) as refused:
        await adopted(fake)
    assert not any(path.startswith("/pools/p/") and path != MARKER for path in fake.files.kept)
    return refused.value.reason


async def test_the_marker_is_a_uuid_and_stays_the_one_that_was_written_first(fake: Any) -> None:
    running = operations()
    assert (await adopted(fake, running)).changed
    content = fake.files.kept[MARKER]
    assert str(uuid.UUID(content.decode().strip())) == content.decode().strip()
    again = await adopted(fake, running)
    assert (again.state, again.changed) == (OperationState.SUCCEEDED, False)
    assert fake.files.kept[MARKER] == content


async def test_another_host_that_is_quicker_has_adopted_it(fake: Any) -> None:
    async def other_was_quicker(path: str, content: bytes, **_: Any) -> bool:
        fake.files.kept[path] = str(uuid.uuid4()).encode()
        return False

    fake.files.make_whole = other_was_quicker
    operation = await adopted(fake)
    assert (operation.state, operation.changed) == (OperationState.SUCCEEDED, False)


async def test_a_file_that_is_no_marker_is_not_touched(fake: Any) -> None:
    fake.files.kept[MARKER] = b"mine"
    assert await refusal(fake) is Reason.IDENTITY_CONFLICT
    assert fake.files.kept[MARKER] == b"mine"


async def test_a_pool_of_devices_cannot_be_adopted(fake: Any) -> None:
    facts = pool_facts("p")
    fake.hypervisor.pools["p"] = replace(facts, definition=replace(facts.definition, type="logical"))
    assert await refusal(fake) is Reason.NOT_SUPPORTED_HERE


async def test_a_stopped_pool_cannot_be_adopted(fake: Any) -> None:
    fake.hypervisor.pools["p"] = pool_facts("p", active=False)
    assert await refusal(fake) is Reason.POOL_NOT_ACTIVE


async def test_nothing_is_written_below_a_share_that_is_not_mounted(fake: Any) -> None:
    fake.watch.mount("/pools/p", "filer:/export")
    await fake.looker.pool("p")
    fake.watch.unmount("/pools/p")
    assert await refusal(fake) is Reason.UNMOUNTED
    assert MARKER not in fake.files.kept


async def test_nothing_is_written_where_the_share_is_unmounted_between_check_and_work(fake: Any) -> None:
    fake.watch.mount("/pools/p", "filer:/export")
    await fake.looker.pool("p")
    work: Any = await AdoptStorage(host=use_case_host(fake), pool="p").check()
    fake.watch.unmount("/pools/p")
    with pytest.raises(ModelError) as refused:
        await work.perform(None)
    assert refused.value.reason is Reason.UNMOUNTED
    assert MARKER not in fake.files.kept


async def test_nothing_is_written_where_the_folder_is_on_another_device_than_the_share(fake: Any) -> None:
    fake.watch.mount("/pools/p", "filer:/export")
    await fake.looker.pool("p")
    fake.files.lies_on = "8:1"
    failure = (await adopted(fake)).failure
    assert failure is not None
    assert failure.reason is Reason.UNMOUNTED
    assert MARKER not in fake.files.kept


@pytest.mark.parametrize("reason", [Reason.READ_ONLY, Reason.STALE, Reason.FULL])
async def test_a_share_that_takes_no_writes_is_not_adopted(fake: Any, reason: Any) -> None:
    fake.watch.mount("/pools/p", "filer:/export")
    await fake.looker.pool("p")
    fake.watch.become("/pools/p", HealthStatus.FAULTY, reason)
    assert await refusal(fake) is reason


async def test_an_adopted_share_that_takes_no_writes_any_more_stays_adopted(fake: Any) -> None:
    fake.watch.mount("/pools/p", "filer:/export")
    await fake.looker.pool("p")
    fake.files.kept[MARKER] = str(uuid.uuid4()).encode()
    fake.watch.become("/pools/p", HealthStatus.FAULTY, Reason.READ_ONLY)
    assert not (await adopted(fake)).changed
