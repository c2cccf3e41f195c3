"""Creating volumes: what is being created counts as taken."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from poolfleet_agent.control.mutation import Caller
from poolfleet_agent.control.volumes.create import CreateVolume
from poolfleet_agent.control.volumes.space import Promises
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.volume import VolumeDefinition
from tests.unit.agent.fake_host import MIB, FakeHost, operations, until, use_case_host

CALLER = Caller(name="unix", rpc="CreateVolume")


def creation(
    fake: FakeHost, name: str, promises: Promises, *, allocated: bool = True, ratio: float = 0.0
) -> CreateVolume:
    definition = VolumeDefinition(
        name=name, format="raw", capacity_bytes=600 * MIB, allocation_bytes=None if allocated else 0
    )
    return CreateVolume(
        host=use_case_host(fake, overcommit_ratio=ratio), promises=promises, pool="p", definition=definition
    )


@pytest.mark.parametrize(("allocated", "ratio"), [(True, 0.0), (False, 1.0)], ids=["bytes at once", "capacity"])
async def test_creations_at_once_are_not_all_promised_the_last_free_bytes(
    fake: Any, allocated: Any, ratio: Any
) -> None:
    promises, running = Promises(), operations()
    fake.hypervisor.hold("create_volume p a")
    fake.hypervisor.hold("create_volume p b")
    asked = [
        asyncio.create_task(running.submit(creation(fake, name, promises, allocated=allocated, ratio=ratio), CALLER))
        for name in ("a", "b")
    ]
    await until(lambda: bool([known for known in running.journal.newest_first() if known.state.ended]))
    with pytest.raises(ModelError) as full:
        await running.submit(creation(fake, "c", promises, allocated=allocated, ratio=ratio), CALLER)
    assert full.value.reason is Reason.NO_SPACE
    for held in fake.hypervisor.held.values():
        held.set()
    done = await asyncio.gather(*asked)
    refused = [operation.failure for operation in done if operation.failure is not None]
    assert [failure.reason for failure in refused] == [Reason.NO_SPACE]
    assert len(fake.hypervisor.volumes["p"]) == 1


async def test_a_creation_that_fails_takes_its_promise_back(fake: Any) -> None:
    promises, running = Promises(), operations()
    fake.hypervisor.failing["create_volume p a"] = ModelError(Reason.FULL, "full")
    assert (await running.submit(creation(fake, "a", promises), CALLER)).failure is not None
    assert promises.of("p").at_once_bytes == 0
    assert (await running.submit(creation(fake, "b", promises), CALLER)).changed
