"""Clones under way: what is held, told, cancelled, and left by an agent that was killed."""

from __future__ import annotations

import asyncio
import stat
import uuid

import pytest

from poolfleet import (
    Cancelled,
    CloneSpec,
    VolumeSpec,
)
from poolfleet.aio import AgentClient
from poolfleet.types.operation import Operation, OperationState
from poolfleet.v1.pool_service_pb2 import StopPoolRequest
from poolfleet.v1.volume_service_pb2 import DeleteVolumeRequest
from scripts.embedded.host import EmbeddedHost
from tests.integration.clones.sources import (
    CANCELLED_WITHIN_S,
    DATA,
    LIMIT_S,
    names,
    path_of,
    sparse_source,
)
from tests.raw_agent import eventually, raw_agent
from tests.slow_qemu_img import SlowQemuImg


async def standing_clone(client: AgentClient, slow: SlowQemuImg) -> Operation:
    """A clone that has been copied, and that nothing further is done with until `slow` lets go."""
    slow.hold("after", "convert")
    clone = await client.volumes.clone("a", "src", CloneSpec("new"), wait=False)
    await asyncio.to_thread(slow.wait_standing)
    return clone


async def test_a_source_is_held_while_it_is_copied_and_may_be_cloned_twice_at_once(
    client: AgentClient, host: EmbeddedHost, slow_host: tuple[EmbeddedHost, SlowQemuImg]
) -> None:
    _, slow = slow_host
    await sparse_source(client, host)
    slow.hold("before")
    clones = [await client.volumes.clone("a", "src", CloneSpec("one"), wait=False)]
    await asyncio.to_thread(slow.wait_standing)
    clones.append(await client.volumes.clone("a", "src", CloneSpec("two"), wait=False))

    async def one_waits_for_the_other() -> bool:
        states = [(await client.operations.get(clone.id)).state for clone in clones]
        return states == [OperationState.RUNNING, OperationState.PENDING]

    await eventually(one_waits_for_the_other, limit_s=LIMIT_S, what="one is copied, and the other waits for its turn")
    # The library would wait for whoever holds the object.
    async with raw_agent(host.agent.target) as raw:
        for asked in (DeleteVolumeRequest(pool="a", volume="src"), StopPoolRequest(pool="a")):
            assert (await raw.refusal(asked)).reason == "OPERATION_IN_PROGRESS"
    slow.let_go()
    for clone in clones:
        assert (await client.operations.wait(clone.id, timeout_s=LIMIT_S)).changed
    assert names(host) == ["one", "src", "two"]


async def test_a_cancelled_clone_stops_at_once_and_leaves_nothing(
    client: AgentClient, host: EmbeddedHost, slow_host: tuple[EmbeddedHost, SlowQemuImg]
) -> None:
    _, slow = slow_host
    await sparse_source(client, host)
    going = await client.volumes.clone("a", "src", CloneSpec("new"), wait=False, request_id=str(uuid.uuid4()))
    await client.operations.wait(going.id, timeout_s=LIMIT_S)
    await client.volumes.delete("a", "new")
    going = await standing_clone(client, slow)
    assert names(host) == [f".poolfleet-new.{going.id}", ".poolfleet-reserve.new", "src"]
    assert stat.S_IMODE(path_of(host, f".poolfleet-new.{going.id}").stat().st_mode) == 0o600
    assert going.cancellable
    async with asyncio.timeout(CANCELLED_WITHIN_S):
        await client.operations.cancel(going.id)
        with pytest.raises(Cancelled):
            await client.operations.wait(going.id, timeout_s=LIMIT_S)
    assert names(host) == ["src"]
    slow.let_go()
    assert (await client.volumes.clone("a", "src", CloneSpec("new"))).changed


async def test_a_clone_that_is_there_while_libvirt_makes_another_volume_waits_to_be_seen_and_is_not_lost(
    client: AgentClient, host: EmbeddedHost, slow_host: tuple[EmbeddedHost, SlowQemuImg]
) -> None:
    _, slow = slow_host
    await sparse_source(client, host)
    clone = await standing_clone(client, slow)
    slow.forget_standing()
    slow.hold("before", "create")
    beside = await client.volumes.create("a", VolumeSpec("beside", capacity_bytes=1 << 20, format="qcow2"), wait=False)
    await asyncio.to_thread(slow.wait_standing)
    slow.let_go("after")

    async def is_there() -> bool:
        return "new" in names(host)

    await eventually(is_there, limit_s=LIMIT_S, what="the clone has its name")
    slow.let_go()
    for operation in (clone, beside):
        assert (await client.operations.wait(operation.id, timeout_s=LIMIT_S)).changed


async def test_a_long_clone_tells_its_progress_in_bytes(
    client: AgentClient, host: EmbeddedHost, slow_host: tuple[EmbeddedHost, SlowQemuImg]
) -> None:
    _, slow = slow_host
    await sparse_source(client, host)
    slow.hold("after", "convert")
    going = await client.volumes.clone("a", "src", CloneSpec("new", format="qcow2"), wait=False)

    async def progressed() -> bool:
        seen = (await client.operations.get(going.id)).progress
        return seen is not None and seen.total_bytes is not None and seen.done_bytes == seen.total_bytes >= len(DATA)

    await eventually(progressed, limit_s=LIMIT_S, what="all bytes are told to be there")
    slow.let_go()
    assert (await client.operations.wait(going.id, timeout_s=LIMIT_S)).changed


async def test_an_agent_that_was_killed_leaves_neither_files_nor_programs(
    client: AgentClient, host: EmbeddedHost, slow_host: tuple[EmbeddedHost, SlowQemuImg]
) -> None:
    _, slow = slow_host
    await sparse_source(client, host)
    going = await standing_clone(client, slow)
    assert f".poolfleet-new.{going.id}" in names(host)
    await asyncio.to_thread(host.agent.kill9)

    async def has_ended() -> bool:
        return not slow.running

    await eventually(has_ended, limit_s=LIMIT_S, what="what the agent ran has ended with it")
    slow.let_go()
    await asyncio.to_thread(host.agent.start)

    async def nothing_is_left() -> bool:
        return names(host) == ["src"]

    await eventually(nothing_is_left, limit_s=LIMIT_S, what="what was left is removed")
    ended = await client.operations.get(going.id)
    assert ended.error is not None
    assert ended.error.reason == "AGENT_RESTARTED"
    assert (await client.volumes.clone("a", "src", CloneSpec("new"))).changed
