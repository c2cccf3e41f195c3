"""Calls and work that are cancelled at each of their awaits: nothing stays held, and the same call works again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from poolfleet.v1.pool_service_pb2 import GetPoolRequest, RefreshPoolRequest, StartPoolRequest, StopPoolRequest
from poolfleet.v1.secret_pb2 import SecretSpec
from poolfleet.v1.secret_service_pb2 import ListSecretsRequest, SetSecretRequest
from poolfleet.v1.volume_pb2 import CloneSpec, VolumeSpec
from poolfleet.v1.volume_service_pb2 import (
    CloneVolumeRequest,
    CreateVolumeRequest,
    DeleteVolumeRequest,
    GetVolumeRequest,
    ListVolumesRequest,
    ResizeVolumeRequest,
    WipeVolumeRequest,
)
from poolfleet_agent.control.journal import Journal
from poolfleet_agent.control.lanes import Claim, Lanes
from poolfleet_agent.control.mutation import Work
from poolfleet_agent.control.operations import Operations
from poolfleet_agent.control.report import Report
from poolfleet_agent.model.operation import OperationState
from poolfleet_agent.model.reservation import OWN_PREFIX
from poolfleet_agent.services.convert.encoder import MessageEncoder
from poolfleet_agent.services.pools import PoolServicer
from poolfleet_agent.services.secrets import SecretServicer
from poolfleet_agent.services.volumes import VolumeServicer
from tests.cut_short import CutShort, Waiting
from tests.unit.agent.fake_host import MIB, FakeClock, FakeHost, pool_facts, until, use_case_host
from tests.unit.agent.memory_operations import MemoryOperations

REQUEST_ID = "00000000-0000-4000-8000-000000000001"
MOST_AWAITS = 500

MUTATIONS: dict[str, Message] = {
    "create": CreateVolumeRequest(pool="p", spec=VolumeSpec(name="new", capacity_bytes=MIB)),
    "create by qemu-img": CreateVolumeRequest(
        pool="p", spec=VolumeSpec(name="new", capacity_bytes=MIB), preallocation="full"
    ),
    "clone": CloneVolumeRequest(pool="p", volume="src", spec=CloneSpec(name="copy")),
    "delete": DeleteVolumeRequest(pool="p", volume="src", allow_missing=True),
    "resize": ResizeVolumeRequest(pool="p", volume="src", capacity_bytes=2 * MIB),
    "wipe": WipeVolumeRequest(pool="p", volume="src", algorithm="nnsa"),
    "start": StartPoolRequest(pool="idle"),
    "stop": StopPoolRequest(pool="p"),
    "refresh": RefreshPoolRequest(pool="p"),
    "set secret": SetSecretRequest(spec=SecretSpec(usage_type="ceph", usage_id="k"), value=b"v"),
}
LIBVIRT_GOES_ON = {"create"}
"""What cannot be cancelled: its reservation stays, for whoever finds out what became of it."""
READS: dict[str, Message] = {
    "pool": GetPoolRequest(pool="p", max_staleness=Duration()),
    "volume": GetVolumeRequest(pool="p", volume="src", max_staleness=Duration()),
    "volumes": ListVolumesRequest(pool="p", max_staleness=Duration()),
    "secrets": ListSecretsRequest(),
}


class CuttingOperations(Operations):
    """Cuts the work of the next operation short at `cut_at`; -1: none."""

    cut_at: int = -1
    last: CutShort[Any] | None = None

    async def _perform(self, claim: Claim, work: Work) -> None:
        async def perform(report: Report) -> Any:
            self.last = CutShort(work.perform(report), self.cut_at)  # type: ignore[arg-type]
            self.cut_at = -1
            return await self.last

        await super()._perform(claim, replace(work, perform=perform))


class Agent:
    """Handlers over a host in memory, with the pools `p`, which has the volume `src`, and `idle`."""

    def __init__(self) -> None:
        self.fake = FakeHost()
        self.fake.hypervisor.add(pool_facts("p"), "src")
        self.fake.hypervisor.add(pool_facts("idle", active=False))
        self.fake.files.kept["/pools/p/src"] = b"content"
        self.fake.looker = replace(
            self.fake.looker,
            encoder=MessageEncoder(),
            hypervisor=Waiting(self.fake.hypervisor),
            files=Waiting(self.fake.files),
        )
        host = replace(
            use_case_host(self.fake),
            encoder=MessageEncoder(),
            hypervisor=Waiting(self.fake.hypervisor),
            files=Waiting(self.fake.files),
            images=Waiting(self.fake.images),
            contents=Waiting(self.fake.contents),
        )
        self.operations = CuttingOperations(journal=Journal(store=MemoryOperations()), lanes=Lanes(), clock=FakeClock())
        self._volumes = VolumeServicer(host, self.operations)
        self._servicers = (self._volumes, PoolServicer(host, self.operations), SecretServicer(host, self.operations))
        self._own_tasks: set[Any] = set()

    async def ready(self) -> None:
        await self.fake.looker.all_pools()
        self._own_tasks = asyncio.all_tasks()

    async def ask(self, request: Message, request_id: str = "") -> Any:
        """What the handler answers."""
        asked = type(request)()
        asked.CopyFrom(request)
        if request_id:
            asked.request_id = request_id  # type: ignore[attr-defined]
        name = type(request).__name__.removesuffix("Request")
        handler: Callable[[Any, Any], Awaitable[Any]] = next(
            getattr(servicer, name) for servicer in self._servicers if hasattr(servicer, name)
        )
        return await handler(asked, None)

    async def settle(self) -> None:
        """Wait until nobody is at work, and find nothing held."""
        await until(lambda: asyncio.all_tasks() <= self._own_tasks | {asyncio.current_task()})
        await asyncio.sleep(0)  # what is called back when a task has ended
        assert all(operation.state.ended for operation in self.operations.journal.newest_first())
        assert (self.operations.lanes._claims, len(self.operations._request_ids)) == ({}, 0)
        assert (self.operations._tasks, self.operations._works) == (set(), {})
        assert self._volumes._promises._held == {}
        assert [path for path in self.fake.files.kept if path.rpartition("/")[2].startswith(OWN_PREFIX)] == []


async def agents() -> Agent:
    agent = Agent()
    await agent.ready()
    return agent


@pytest.mark.parametrize("request_id", [REQUEST_ID, ""], ids=["with a request id", "without"])
@pytest.mark.parametrize("name", MUTATIONS)
async def test_a_caller_who_leaves_at_any_await_leaves_nothing(name: str, request_id: str) -> None:
    for at in range(MOST_AWAITS):
        agent = await agents()
        call = CutShort(agent.ask(MUTATIONS[name], request_id), at)
        ended = await asyncio.gather(asyncio.create_task(_awaited(call)), return_exceptions=True)
        assert isinstance(ended[0], asyncio.CancelledError) or not call.cut
        await agent.settle()
        changed_before = _changed(agent)
        assert len(changed_before) <= 1
        if request_id or not changed_before:
            again = (await agent.ask(MUTATIONS[name], request_id)).operation
            assert again.changed
            assert len(_changed(agent)) == 1
            await agent.settle()
        if not call.cut:
            break
    assert 0 < at < MOST_AWAITS - 1


@pytest.mark.parametrize("name", sorted(MUTATIONS.keys() - LIBVIRT_GOES_ON))
async def test_work_that_is_cancelled_at_any_await_leaves_nothing(name: str) -> None:
    for at in range(MOST_AWAITS):
        agent = await agents()
        agent.operations.cut_at = at
        operation = (await agent.ask(MUTATIONS[name])).operation
        await agent.settle()
        work = agent.operations.last
        assert work is not None
        known = agent.operations.journal.get(operation.id)
        assert known.state in {OperationState.CANCELLED, OperationState.SUCCEEDED}
        if known.state is OperationState.CANCELLED:
            again = (await agent.ask(MUTATIONS[name])).operation
            assert agent.operations.journal.get(again.id).state is OperationState.SUCCEEDED
            await agent.settle()
        if not work.cut:
            break
    assert 0 < at < MOST_AWAITS - 1


@pytest.mark.parametrize("name", READS)
async def test_a_read_that_is_left_at_any_await_leaves_nothing(name: str) -> None:
    for at in range(MOST_AWAITS):
        agent = await agents()
        call = CutShort(agent.ask(READS[name]), at)
        await asyncio.gather(asyncio.create_task(_awaited(call)), return_exceptions=True)
        await agent.settle()
        await agent.ask(READS[name])
        if not call.cut:
            break
    assert at < MOST_AWAITS - 1


async def _awaited(call: CutShort[Any]) -> Any:
    return await call


def _changed(agent: Agent) -> list[str]:
    return [operation.id for operation in agent.operations.journal.newest_first() if operation.changed]
