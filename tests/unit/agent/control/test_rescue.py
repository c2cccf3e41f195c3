"""A libvirt that hangs on a mount of its own is freed; nothing is ended while it answers, or too soon."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from poolfleet_agent.control.rescue import Rescue
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.ports import MountHelper
from tests.unit.agent.fake_host import FakeClock, FakeHypervisor

OLD = MountHelper(pid=7, started_ticks=1, name="mount.nfs", running_s=11.0)
YOUNG = MountHelper(pid=8, started_ticks=2, name="mount.nfs", running_s=9.0)


class FakeHelpers:
    def __init__(self) -> None:
        self.running = [OLD, YOUNG]
        self.killed: list[int] = []
        self.error: ModelError | None = None

    async def of_libvirt(self) -> Sequence[MountHelper]:
        return self.running

    def kill(self, helper: MountHelper) -> bool:
        if self.error:
            raise self.error
        self.killed.append(helper.pid)
        return True


@pytest.fixture
def rescue() -> Any:
    hypervisor: Any = FakeHypervisor(connected=False)
    return Rescue(hypervisor=hypervisor, helpers=FakeHelpers(), clock=FakeClock())


async def looked_for(rescue: Any, seconds: float) -> list[int]:
    await rescue.look()
    rescue.clock.time_s += seconds
    await rescue.look()
    killed: list[int] = rescue.helpers.killed
    return killed


async def test_a_mount_that_runs_too_long_is_ended_while_libvirt_answers_nothing(rescue: Any) -> None:
    assert await looked_for(rescue, 4.0) == []
    assert await looked_for(rescue, 2.0) == [OLD.pid]
    assert rescue.ended == 1


async def test_nothing_is_ended_while_libvirt_answers(rescue: Any) -> None:
    rescue.hypervisor.connected = True
    assert await looked_for(rescue, 100.0) == []
    rescue.hypervisor.connected = False
    assert await looked_for(rescue, 4.0) == [], "it is away since just now"


async def test_what_may_not_be_ended_is_told_and_counts_nothing(rescue: Any) -> None:
    rescue.helpers.error = ModelError(Reason.AGENT_NOT_AUTHORIZED, "not root")
    assert await looked_for(rescue, 6.0) == []
    assert rescue.ended == 0
