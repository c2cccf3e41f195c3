"""WipeVolume: who does it, whom it must not hit, and how it is cut off."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from poolfleet_agent.control.mutation import Caller
from poolfleet_agent.control.volumes.wipe import WipeVolume
from poolfleet_agent.model.domain_disk import DomainState
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.operation import Operation, OperationState
from poolfleet_agent.model.pool import HealthStatus
from poolfleet_agent.model.ports import Rights
from poolfleet_agent.model.share_user import ShareUser
from poolfleet_agent.model.volume import BackingStore
from tests.unit.agent.fake_host import FakeHost, operations, until, use_case_host, used, volume_facts

CALLER = Caller(name="unix", rpc="WipeVolume")
PATH = "/pools/p/v"


@pytest.fixture
def full(fake: FakeHost) -> FakeHost:
    """A volume that is a file."""
    fake.hypervisor.volumes["p"]["v"] = volume_facts("p", "v")
    fake.files.kept[PATH] = b"precious"
    return fake


def squash(fake: FakeHost) -> None:
    fake.watch.mount("/pools/p", "server:/export")
    fake.files.folders["/pools/p"] = ShareUser(uid=1000, gid=100)
    fake.files.root_may = Rights(read=True, write=False, search=True)


def wipe(fake: FakeHost, **asked: Any) -> WipeVolume:
    return WipeVolume(host=use_case_host(fake), pool="p", volume="v", **asked)


async def wiped(fake: FakeHost, **asked: Any) -> Operation:
    return await operations().submit(wipe(fake, **asked), CALLER)


async def refusal(fake: FakeHost, **asked: Any) -> Reason:
    with pytest.raises(ModelError) as refused:
        await wiped(fake, **asked)
    return refused.value.reason


def by_libvirt(fake: FakeHost) -> list[str]:
    return [call for call in fake.hypervisor.called if call.startswith("wipe_volume")]


async def test_zeros_are_the_agent_s_and_the_rest_is_libvirt_s(full: FakeHost) -> None:
    assert (await wiped(full)).changed
    assert [file.path for file, _ in full.contents.wiped] == [PATH]
    assert "refresh_pool p" in full.hypervisor.called
    assert (await wiped(full, algorithm="nnsa")).changed
    full.files.kept.clear()
    full.hypervisor.volumes["p"]["v"] = replace(volume_facts("p", "v", kind="block"), path="/dev/vg/v")
    assert (await wiped(full)).changed
    assert by_libvirt(full) == ["wipe_volume p v nnsa", "wipe_volume p v zero"]
    assert len(full.contents.wiped) == 1


async def test_what_became_a_pipe_meanwhile_is_not_given_to_libvirt(full: FakeHost) -> None:
    full.files.pipes.add(PATH)
    assert await refusal(full) is Reason.VOLUME_NOT_FOUND
    assert by_libvirt(full) == []


async def test_where_root_is_nobody_the_share_s_user_wipes_and_only_with_zeros(full: FakeHost) -> None:
    squash(full)
    assert (await wiped(full)).changed
    assert [user for _, user in full.contents.wiped] == [ShareUser(uid=1000, gid=100)]
    assert await refusal(full, algorithm="nnsa") is Reason.NOT_SUPPORTED_HERE
    assert by_libvirt(full) == []


@pytest.mark.parametrize("allow_in_use", [False, True])
async def test_what_a_guest_came_to_use_while_the_wipe_waited_for_its_turn_is_not_wiped(
    full: FakeHost, allow_in_use: bool
) -> None:
    running = operations()
    full.contents.busy = asyncio.Event()
    asked = asyncio.create_task(running.submit(wipe(full, allow_in_use=allow_in_use), CALLER))
    await until(lambda: [one for one in running.journal.newest_first() if one.state is OperationState.PENDING])
    used(full, DomainState.ACTIVE)
    full.contents.busy.set()
    ended = await running.journal.wait((await asked).id, 5)
    assert ended.changed is allow_in_use
    assert (ended.failure and ended.failure.reason) == (None if allow_in_use else Reason.VOLUME_IN_USE)
    assert len(full.contents.wiped) == int(allow_in_use)


@pytest.mark.parametrize("state", [DomainState.ACTIVE, DomainState.INACTIVE])
async def test_what_a_guest_uses_is_not_wiped(full: FakeHost, state: DomainState) -> None:
    used(full, state)
    assert await refusal(full) is Reason.VOLUME_IN_USE
    assert full.contents.wiped == []
    assert (await wiped(full, allow_in_use=True)).changed


async def test_what_another_volume_lies_on_is_not_wiped(full: FakeHost) -> None:
    top = replace(volume_facts("p", "top"), format="qcow2", backing_store=BackingStore(path=PATH))
    full.hypervisor.volumes["p"]["top"] = top
    await full.looker.pool("p")
    assert await refusal(full) is Reason.VOLUME_IN_USE
    assert (await wiped(full, allow_in_use=True)).changed


async def test_a_wipe_that_is_cancelled_shows_libvirt_what_is_left(full: FakeHost) -> None:
    running = operations()
    full.contents.held = asyncio.Event()
    asked = asyncio.create_task(running.submit(wipe(full), CALLER))
    await until(lambda: full.contents.wiped)
    (known,) = running.journal.newest_first()
    assert known.cancellable
    await running.cancel(known.id)
    assert (await running.journal.wait((await asked).id, 5)).state is OperationState.CANCELLED
    assert "refresh_pool p" in full.hypervisor.called


async def test_a_wipe_of_libvirt_s_cannot_be_cancelled(full: FakeHost) -> None:
    running = operations()
    held = full.hypervisor.hold("wipe_volume p v dod")
    asked = asyncio.create_task(running.submit(wipe(full, algorithm="dod"), CALLER))
    await until(lambda: by_libvirt(full))
    (known,) = running.journal.newest_first()
    with pytest.raises(ModelError) as refused:
        await running.cancel(known.id)
    assert refused.value.reason is Reason.NOT_CANCELLABLE
    held.set()
    assert (await running.journal.wait((await asked).id, 5)).changed


async def test_a_share_that_dies_meanwhile_ends_it(full: FakeHost) -> None:
    full.watch.mount("/pools/p", "server:/export")
    running = operations()
    full.contents.held = asyncio.Event()
    asked = asyncio.create_task(running.submit(wipe(full), CALLER))
    await until(lambda: full.contents.wiped)
    full.watch.become("/pools/p", HealthStatus.UNRESPONSIVE)
    ended = await running.journal.wait((await asked).id, 5)
    assert ended.failure is not None
    assert ended.failure.reason is Reason.POOL_UNRESPONSIVE


async def test_a_program_that_libvirt_lacks_is_named_with_what_to_install(full: FakeHost) -> None:
    missing = ModelError(Reason.NOT_SUPPORTED_HERE, "Cannot find 'scrub' in path: No such file or directory")
    full.hypervisor.failing["wipe_volume p v random"] = missing
    failure = (await wiped(full, algorithm="random")).failure
    assert failure is not None
    assert failure.reason is Reason.NOT_SUPPORTED_HERE
    assert "install the package scrub" in failure.message


async def test_an_algorithm_that_libvirt_does_not_know_is_refused(full: FakeHost) -> None:
    assert await refusal(full, algorithm="Zero") is Reason.INVALID_FIELD
    assert await refusal(full, algorithm="") is Reason.INVALID_FIELD
