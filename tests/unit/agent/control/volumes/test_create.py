"""Creating volumes: what is being created counts as taken."""

from __future__ import annotations

import asyncio
from dataclasses import replace
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
    # Each by its own runner: of one, those of a kind are checked one after the other, unlike a creation and a clone.
    promises, running = Promises(), {name: operations() for name in ("a", "b")}
    fake.hypervisor.hold("create_volume p a")
    fake.hypervisor.hold("create_volume p b")
    asked = [
        asyncio.create_task(runner.submit(creation(fake, name, promises, allocated=allocated, ratio=ratio), CALLER))
        for name, runner in running.items()
    ]
    known = [runner.journal for runner in running.values()]
    await until(lambda: any(operation.state.ended for journal in known for operation in journal.newest_first()))
    with pytest.raises(ModelError) as full:
        await running["a"].submit(creation(fake, "c", promises, allocated=allocated, ratio=ratio), CALLER)
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


@pytest.mark.parametrize(
    ("pool_type", "stated", "written"),
    [
        ("dir", None, "<format type="),
        ("disk", None, ""),
        ("disk", "linux", '<format type="linux"'),
        ("logical", "raw", ""),
    ],
)
async def test_libvirt_is_told_the_format_that_fits_the_pool(
    fake: Any, pool_type: str, stated: str | None, written: str
) -> None:
    known = fake.hypervisor.pools["p"]
    definition = replace(known.definition, type=pool_type)
    fake.hypervisor.pools["p"] = replace(known, definition=definition, stored_definition=definition)
    told: list[str] = []
    create = fake.hypervisor.create_volume

    async def hear(pool: str, xml: str, **how: Any) -> Any:
        told.append(xml)
        return await create(pool, xml, **how)

    fake.hypervisor.create_volume = hear
    asked = creation(fake, "a", Promises())
    asked = replace(asked, definition=replace(asked.definition, format=stated))
    assert (await operations().submit(asked, CALLER)).failure is None
    assert len(told) == 1
    assert written in told[0]
    assert ("<format" in told[0]) is bool(written)


@pytest.mark.parametrize(("pool_type", "stated"), [("disk", "raw"), ("dir", "iso"), ("logical", "qcow2")])
async def test_a_format_that_does_not_fit_the_pool_is_refused_before_libvirt_is_asked(
    fake: Any, pool_type: str, stated: str
) -> None:
    known = fake.hypervisor.pools["p"]
    definition = replace(known.definition, type=pool_type)
    fake.hypervisor.pools["p"] = replace(known, definition=definition, stored_definition=definition)
    asked = creation(fake, "a", Promises())
    with pytest.raises(ModelError) as refused:
        await operations().submit(replace(asked, definition=replace(asked.definition, format=stated)), CALLER)
    assert refused.value.reason is Reason.NOT_SUPPORTED_HERE


async def test_only_files_are_preallocated(fake: Any) -> None:
    known = fake.hypervisor.pools["p"]
    definition = replace(known.definition, type="logical")
    fake.hypervisor.pools["p"] = replace(known, definition=definition, stored_definition=definition)
    asked = creation(fake, "a", Promises())
    with pytest.raises(ModelError) as refused:
        await operations().submit(replace(asked, definition=replace(asked.definition, preallocation="full")), CALLER)
    assert refused.value.reason is Reason.NOT_SUPPORTED_HERE


async def test_where_the_source_gives_the_volumes_that_is_said_and_not_that_there_is_no_space(fake: Any) -> None:
    known = fake.hypervisor.pools["p"]
    definition = replace(known.definition, type="iscsi")
    full = replace(known, definition=definition, stored_definition=definition, available_bytes=0)
    fake.hypervisor.pools["p"] = full
    with pytest.raises(ModelError) as refused:
        await operations().submit(creation(fake, "a", Promises()), CALLER)
    assert refused.value.reason is Reason.NOT_SUPPORTED_HERE
    assert [call for call in fake.hypervisor.called if call.startswith("create_volume")] == []
