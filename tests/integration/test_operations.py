"""Operations are read, awaited, watched, listed and refused to be cancelled; a stop of the agent loses none."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from poolfleet.v1 import operation_pb2
from poolfleet.v1.operation_service_pb2 import (
    CancelOperationRequest,
    GetOperationRequest,
    ListOperationsRequest,
    OperationFilter,
    WaitOperationRequest,
    WatchOperationsRequest,
)
from poolfleet.v1.pool_service_pb2 import (
    ListPoolsRequest,
    PoolFilter,
    RefreshPoolRequest,
    StartPoolRequest,
    UndefinePoolRequest,
)
from poolfleet.v1.volume_service_pb2 import DeleteVolumeRequest, ListVolumesRequest, VolumeFilter
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.process import wait_until
from tests.made_pools import dir_pool, folder, raw_volume, slow_volume, start_dir_pool
from tests.raw_agent import LIMIT_S, RawAgent, raw_agent, refused
from tests.slow_qemu_img import SlowQemuImg

RUNNING, SUCCEEDED, FAILED = (
    operation_pb2.OPERATION_STATE_RUNNING,
    operation_pb2.OPERATION_STATE_SUCCEEDED,
    operation_pb2.OPERATION_STATE_FAILED,
)
CREATE, DELETE = operation_pb2.OPERATION_KIND_CREATE_VOLUME, operation_pb2.OPERATION_KIND_DELETE_VOLUME
# Far less than what is waited for would take.
AT_ONCE_S = 10.0
DRAIN_S = 60
"""Longer than what is asked meanwhile takes on a busy machine."""

SlowHost = tuple[EmbeddedHost, SlowQemuImg]


async def test_a_long_operation_is_read_awaited_and_cannot_be_interrupted(slow_host: SlowHost) -> None:
    host, slow = slow_host
    async with raw_agent(host.agent.target) as agent:
        await start_dir_pool(host, agent, "p")
        slow.hold("before")
        running = (await agent.ask(slow_volume())).operation
        assert running.state == RUNNING
        assert not running.cancellable
        assert running.deadline.ToDatetime() > running.created_at.ToDatetime()
        assert (await agent.ask(GetOperationRequest(operation=running.id))).operation == running
        short = WaitOperationRequest(operation=running.id, timeout=Duration(nanos=10**8))
        assert (await agent.ask(short)).operation.state == RUNNING
        refusal = await agent.refusal(CancelOperationRequest(operation=running.id))
        assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "NOT_CANCELLABLE")
        waiting = asyncio.create_task(agent.ask(WaitOperationRequest(operation=running.id)))
        slow.let_go()
        ended = (await waiting).operation
        assert ended.state == SUCCEEDED
        assert ended.volume_result.name == "v.qcow2"
        assert ended.ended_at.ToDatetime() > ended.created_at.ToDatetime()
        refusal = await agent.refusal(CancelOperationRequest(operation=running.id))
        assert refusal.reason == "NOT_CANCELLABLE"


async def test_a_watch_gives_what_there_is_and_then_each_change(host: EmbeddedHost, agent: RawAgent) -> None:
    await start_dir_pool(host, agent, "p", "old")
    only = OperationFilter(kinds=[CREATE, DELETE], pools=["p"])
    stream = agent.stream(WatchOperationsRequest(filter=only), timeout_s=None)
    present: Any = await asyncio.wait_for(stream.read(), LIMIT_S)
    assert (present.operation.volume, present.operation.state) == ("old", SUCCEEDED)
    assert (await asyncio.wait_for(stream.read(), LIMIT_S)).present_state_sent
    await agent.done(RefreshPoolRequest(pool="p"))
    await agent.done(raw_volume("p", "new"))
    await agent.done(DeleteVolumeRequest(pool="p", volume="old"))
    seen: list[tuple[str, int, int]] = []
    while seen[-1:] != [("old", DELETE, SUCCEEDED)]:
        operation = (await asyncio.wait_for(stream.read(), LIMIT_S)).operation
        seen.append((operation.volume, operation.kind, operation.state))
    assert ("new", CREATE, SUCCEEDED) in seen
    assert {volume for volume, _, _ in seen} == {"new", "old"}
    stream.cancel()


async def test_lists_are_newest_first_and_filtered(host: EmbeddedHost, agent: RawAgent) -> None:
    await start_dir_pool(host, agent, "p", *(f"v{number}" for number in range(7)))
    wanted = OperationFilter(kinds=[CREATE], states=[SUCCEEDED])
    pages = [page async for page in pages_of(agent, ListOperationsRequest(filter=wanted, page_size=3))]
    assert [len(page.operations) for page in pages] == [3, 3, 1]
    assert [operation.volume for page in pages for operation in page.operations] == [f"v{n}" for n in range(6, -1, -1)]
    assert not (await agent.ask(ListOperationsRequest(filter=OperationFilter(pools=["q"])))).operations
    assert not (await agent.ask(ListOperationsRequest(filter=OperationFilter(states=[FAILED])))).operations


async def pages_of(agent: RawAgent, request: Any) -> Any:
    while True:
        page = await agent.ask(request)
        yield page
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


async def test_what_exists_throughout_is_listed_once_while_others_come_and_go(
    host: EmbeddedHost, agent: RawAgent
) -> None:
    await agent.ready()
    stays = [f"stays{number:02d}" for number in range(9)]
    for name in [*stays, "goes", "stays03b", "other"]:
        await agent.done(dir_pool(host, name))
    changes: Iterator[Any] = iter(
        [UndefinePoolRequest(pool="stays03b"), dir_pool(host, "stays00b"), dir_pool(host, "stays07b")]
    )
    seen: list[str] = []
    async for page in pages_of(agent, ListPoolsRequest(page_size=2, filter=PoolFilter(name_prefix="stays"))):
        assert 0 < len(page.pools) <= 2
        seen += [pool.name for pool in page.pools]
        if (change := next(changes, None)) is not None:
            await agent.done(change)
    assert seen == sorted(set(seen))
    assert set(stays) <= set(seen) <= {*stays, "stays03b", "stays00b", "stays07b"}


async def test_pages_of_volumes_hold_what_fits_and_nothing_twice(host: EmbeddedHost, agent: RawAgent) -> None:
    await start_dir_pool(host, agent, "p")
    for number in range(50):
        (folder(host, "p") / f"v{number:02d}").write_bytes(b"x")
    (folder(host, "p") / "w").write_bytes(b"x")
    (folder(host, "p") / "folder").mkdir()
    await agent.done(RefreshPoolRequest(pool="p"))
    seen: list[str] = []
    request = ListVolumesRequest(page_size=7, filter=VolumeFilter(name_prefix="v", formats=["raw"]))
    async for page in pages_of(agent, request):
        seen += [volume.name for volume in page.volumes]
        if len(seen) == 14:
            await agent.done(DeleteVolumeRequest(pool="p", volume="v13"))
            await agent.done(DeleteVolumeRequest(pool="p", volume="v40"))
            await agent.done(raw_volume("p", "v00b"))
    assert seen == [f"v{number:02d}" for number in range(50) if number != 40]


@pytest.mark.parametrize("slow_host", [DRAIN_S], indirect=True)
async def test_a_stop_ends_watches_at_once_and_lets_work_end(slow_host: SlowHost) -> None:
    host, slow = slow_host
    async with raw_agent(host.agent.target) as agent:
        await start_dir_pool(host, agent, "p")
        slow.hold("before")
        running = (await agent.ask(slow_volume())).operation
        stream = agent.stream(WatchOperationsRequest(operations=[running.id]), timeout_s=None)
        while not (await stream.read()).present_state_sent:
            pass
        pid = host.agent.pid
        assert pid is not None
        os.kill(pid, signal.SIGTERM)
        assert await asyncio.wait_for(stream.code(), AT_ONCE_S) is grpc.StatusCode.UNAVAILABLE
        assert host.agent.pid is not None
        refusal = await agent.refusal(StartPoolRequest(pool="p"))
        assert (refusal.code, refusal.reason) == ("UNAVAILABLE", "AGENT_STOPPING")
        assert (await agent.ask(GetOperationRequest(operation=running.id))).operation.state == RUNNING
        slow.let_go()
    await ended(host)
    await asyncio.to_thread(host.agent.start)
    async with raw_agent(host.agent.target) as agent:
        operation = (await agent.ask(GetOperationRequest(operation=running.id))).operation
        assert (operation.state, operation.volume_result.name) == (SUCCEEDED, "v.qcow2")


async def test_what_does_not_end_in_time_is_on_the_record(slow_host: SlowHost) -> None:
    host, slow = slow_host
    async with raw_agent(host.agent.target) as agent:
        await start_dir_pool(host, agent, "p", "done")
        slow.hold("before")
        running = (await agent.ask(slow_volume())).operation
        before = await agent.operations()
    await asyncio.to_thread(host.agent.stop)
    await asyncio.to_thread(host.agent.start)
    async with raw_agent(host.agent.target) as agent:
        after = await agent.operations()
        assert after.keys() == before.keys()
        failure = refused(after[running.id].error)
        assert (after[running.id].state, failure.reason) == (FAILED, "AGENT_RESTARTED")
        del before[running.id], after[running.id]
        assert after == before


async def ended(host: EmbeddedHost) -> None:
    await asyncio.to_thread(wait_until, lambda: host.agent.pid is None, limit_s=DRAIN_S, what="the agent ends")
