"""kill -9 of the agent during a volume's creation: the record says so, nothing is left, and the next call succeeds."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from contextlib import suppress

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from poolfleet.v1 import operation_pb2
from poolfleet.v1.operation_service_pb2 import GetOperationRequest
from poolfleet.v1.pool_service_pb2 import GetPoolRequest, RefreshPoolRequest
from poolfleet.v1.volume_service_pb2 import CreateVolumeRequest, ListVolumesRequest
from scripts.embedded.host import EmbeddedHost
from tests.made_pools import folder, raw_volume, slow_volume, start_dir_pool
from tests.raw_agent import RawAgent, Refused, eventually, raw_agent, refused
from tests.slow_qemu_img import SlowQemuImg

RUNNING, SUCCEEDED, FAILED = (
    operation_pb2.OPERATION_STATE_RUNNING,
    operation_pb2.OPERATION_STATE_SUCCEEDED,
    operation_pb2.OPERATION_STATE_FAILED,
)
# The agent watches out for late debris for some seconds.
CLEAN_LIMIT_S = 30.0
# Longer than that.
LATE_S = 7.0
# So often in a row there is nothing new.
AT_REST = 20
# The last: where it was killed before it had stored what it had seen.
PASSES_BY = {"OPERATION_IN_PROGRESS", "LIBVIRT_UNAVAILABLE", "REGISTRY_NOT_LOADED"}


async def volumes(agent: RawAgent) -> list[str]:
    listed = await agent.ask(ListVolumesRequest(pool="p", max_staleness=Duration()))
    return [volume.name for volume in listed.volumes]


async def creations_of(agent: RawAgent) -> dict[str, operation_pb2.Operation]:
    return {operation.volume: operation for operation in (await agent.operations()).values() if operation.volume}


async def create_as_soon_as_possible(agent: RawAgent, request: CreateVolumeRequest) -> operation_pb2.Operation:
    """As a client does that is told to come again."""
    created: list[operation_pb2.Operation] = []

    async def done() -> bool:
        try:
            created.append(await agent.done(request))
        except Refused as error:
            if error.reason not in PASSES_BY or error.retry_s is None:
                raise
            return False
        return True

    took_s = await eventually(done, limit_s=CLEAN_LIMIT_S, what="the volume can be created")
    print(f"created again after {took_s:.1f} s")
    return created[0]


async def at_rest(agent: RawAgent) -> dict[str, operation_pb2.Operation]:
    """The creations once libvirt, which stands still, has nothing more on its way back, and none is begun any more."""
    seen: list[dict[str, operation_pb2.Operation]] = []

    async def as_before() -> bool:
        seen.append(await creations_of(agent))
        return len(seen) >= AT_REST and all(later == seen[-1] for later in seen[-AT_REST:])

    await eventually(as_before, limit_s=CLEAN_LIMIT_S, what="nothing changes any more")
    return seen[-1]


@pytest.mark.parametrize(("where", "late"), [("before", False), ("before", True), ("after", True)])
async def test_a_creation_that_was_cut_off_leaves_nothing(
    where: str, late: bool, slow_host: tuple[EmbeddedHost, SlowQemuImg]
) -> None:
    host, slow = slow_host
    request_id = str(uuid.uuid4())
    async with raw_agent(host.agent.target) as agent:
        await start_dir_pool(host, agent, "p", "other")
        slow.hold(where)
        running = (await agent.ask(slow_volume(request_id))).operation
        assert running.state == RUNNING
        await asyncio.to_thread(slow.wait_standing)
        file = folder(host, "p") / "v.qcow2"
        assert file.exists() == (where == "after")
        await asyncio.to_thread(host.agent.kill9)
    await asyncio.to_thread(host.agent.start)
    async with raw_agent(host.agent.target) as agent:
        ended = (await agent.ask(GetOperationRequest(operation=running.id))).operation
        assert ended.state == FAILED
        failure = refused(ended.error)
        assert (failure.code, failure.reason) == ("UNAVAILABLE", "AGENT_RESTARTED")
        assert failure.retry_s
        # The same id says the same, and begins nothing.
        again = (await agent.ask(slow_volume(request_id))).operation
        assert (again.id, again.state) == (running.id, FAILED)
        if late:
            await asyncio.sleep(LATE_S)
        slow.let_go()
        created = await create_as_soon_as_possible(agent, slow_volume(str(uuid.uuid4())))
        assert created.changed
        assert created.id != running.id
        assert await volumes(agent) == ["other", "v.qcow2"]
        assert sorted(path.name for path in folder(host, "p").iterdir()) == ["other", "v.qcow2"]


async def test_without_another_call_nothing_is_left_either(slow_host: tuple[EmbeddedHost, SlowQemuImg]) -> None:
    host, slow = slow_host
    async with raw_agent(host.agent.target) as agent:
        await start_dir_pool(host, agent, "p")
        slow.hold("after")
        await agent.ask(slow_volume())
        await asyncio.to_thread(slow.wait_standing)
        await asyncio.to_thread(host.agent.kill9)
    slow.let_go()
    await asyncio.to_thread(host.agent.start)
    async with raw_agent(host.agent.target) as agent:

        async def clean() -> bool:
            return not list(folder(host, "p").iterdir()) and not await volumes(agent)

        await eventually(clean, limit_s=CLEAN_LIMIT_S, what="the debris is gone")
        assert (await agent.ask(GetPoolRequest(pool="p"))).pool.volume_count == 0


async def test_what_libvirt_does_only_after_the_agent_is_back_leaves_nothing(
    host: EmbeddedHost, agent: RawAgent
) -> None:
    """libvirtd stands still in the midst of many creations, the agent dies and comes back, then libvirtd goes on."""
    await start_dir_pool(host, agent, "p")
    names = [f"v{number:03d}" for number in range(120)]
    creations = [asyncio.create_task(agent.ask(raw_volume("p", name))) for name in names]

    async def amid() -> bool:
        return len(await creations_of(agent)) > 25

    await eventually(amid, limit_s=20, what="some volumes are being created")
    before: dict[str, operation_pb2.Operation] = {}
    # Creations wait for one another up to 50 ms: stopped after always the same time libvirtd may always be found there.
    goes_on_s = itertools.cycle(milliseconds / 1000 for milliseconds in range(20, 90, 3))

    async def stopped_in_a_creation() -> bool:
        """Between two of them libvirt is asked what there is: then it goes on, and is stopped a little later."""
        host.libvirtd.sigcont()
        await asyncio.sleep(next(goes_on_s))
        host.libvirtd.sigstop()
        before.update(await at_rest(agent))
        return any(operation.state == RUNNING for operation in before.values())

    await eventually(stopped_in_a_creation, limit_s=60, what="a creation stands still")
    await asyncio.to_thread(host.agent.kill9)
    for creation in creations:
        with suppress(grpc.aio.AioRpcError, Refused):
            await creation
    await asyncio.to_thread(host.agent.start)
    host.libvirtd.sigcont()
    cut_off = {volume for volume, operation in before.items() if operation.state == RUNNING}
    kept = sorted(volume for volume, operation in before.items() if operation.state == SUCCEEDED)
    assert cut_off
    print(f"{len(kept)} created, {len(cut_off)} cut off, {len(names) - len(before)} not begun")
    async with raw_agent(host.agent.target) as again:
        after = await creations_of(again)
        assert {refused(after[volume].error).reason for volume in cut_off} <= {"AGENT_RESTARTED"}
        assert {volume for volume, operation in after.items() if operation.state == FAILED} == cut_off
        for volume in sorted(cut_off):
            created = await create_as_soon_as_possible(again, raw_volume("p", volume))
            assert created.changed
        await again.done(RefreshPoolRequest(pool="p"))
        assert await volumes(again) == sorted({*kept, *cut_off})
        assert sorted(path.name for path in folder(host, "p").iterdir()) == sorted({*kept, *cut_off})
