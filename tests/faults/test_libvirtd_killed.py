"""libvirtd dies or hangs beneath a serving agent: reads go on, changes say so, and all heals without a restart."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from grpc_health.v1.health_pb2 import HealthCheckResponse

from poolfleet.v1.agent_service_pb2 import GetAgentRequest
from poolfleet.v1.inventory_service_pb2 import ListDomainDisksRequest
from poolfleet.v1.operation_service_pb2 import ListOperationsRequest
from poolfleet.v1.pool_service_pb2 import (
    GetPoolRequest,
    ListPoolsRequest,
    RefreshPoolRequest,
    StartPoolRequest,
    StopPoolRequest,
    UndefinePoolRequest,
)
from poolfleet.v1.volume_service_pb2 import (
    DeleteVolumeRequest,
    GetVolumeRequest,
    ListVolumesRequest,
    LookupVolumeRequest,
)
from scripts.embedded.host import EmbeddedHost
from tests.made_pools import dir_pool, folder, raw_volume, start_dir_pool
from tests.raw_agent import RawAgent, Refused, eventually, path_of

SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING
NEED_LIBVIRT = ("PoolService", "VolumeService", "InventoryService", "")
NEED_NOTHING = ("AgentService", "OperationService")

SEEN_GONE_LIMIT_S = 30.0
# A look at a small pool takes some thousandths of a second.
REST_S = 1.0
# It is to take 5 seconds; a busy machine may be slower.
RECOVERY_LIMIT_S = 30.0
# From the snapshot: milliseconds. Whoever waited for libvirt instead would be told in the end that it is away.
AT_ONCE_S = 10.0


def reads(host: EmbeddedHost) -> list[Message]:
    return [
        GetPoolRequest(pool="p"),
        ListPoolsRequest(),
        GetVolumeRequest(pool="p", volume="v"),
        ListVolumesRequest(pool="p"),
        ListVolumesRequest(),
        LookupVolumeRequest(path=str(folder(host, "p") / "v")),
        ListDomainDisksRequest(),
    ]


def mutations(host: EmbeddedHost) -> list[Message]:
    return [
        dir_pool(host, "q"),
        StartPoolRequest(pool="p"),
        StopPoolRequest(pool="p"),
        RefreshPoolRequest(pool="p"),
        UndefinePoolRequest(pool="p"),
        raw_volume("p", "w"),
        DeleteVolumeRequest(pool="p", volume="v"),
    ]


async def says(agent: RawAgent, services: tuple[str, ...], wanted: int) -> bool:
    return all([await agent.health(service) == wanted for service in services])


async def recovery_s(host: EmbeddedHost, agent: RawAgent) -> float:
    """Restart libvirtd; the answer is how long after its first answer the agent works with it again."""
    await asyncio.to_thread(host.libvirtd.restart)

    async def works() -> bool:
        try:
            await agent.ask(GetPoolRequest(pool="p", max_staleness=Duration()))
            await agent.done(RefreshPoolRequest(pool="p"))
        except Refused as error:
            if error.reason != "LIBVIRT_UNAVAILABLE":
                raise
            return False
        return await says(agent, NEED_LIBVIRT, SERVING)

    took_s = await eventually(works, limit_s=RECOVERY_LIMIT_S, what="the agent works with libvirtd again")
    print(f"recovered {took_s:.2f} s after libvirtd's return")
    return took_s


@pytest.mark.parametrize("times", range(2))
async def test_libvirtd_is_killed_and_comes_back(times: int, host: EmbeddedHost, agent: RawAgent) -> None:
    await start_dir_pool(host, agent, "p", "v")
    await agent.ask(ListDomainDisksRequest(max_staleness=Duration()))
    assert await says(agent, (*NEED_LIBVIRT, *NEED_NOTHING), SERVING)
    pid = host.agent.pid
    for _ in range(1 + times):
        await asyncio.to_thread(host.libvirtd.kill9)
        gone_s = await eventually(
            lambda: says(agent, NEED_LIBVIRT, NOT_SERVING), limit_s=SEEN_GONE_LIMIT_S, what="health says NOT_SERVING"
        )
        print(f"NOT_SERVING after {gone_s:.2f} s")
        await _reads_grow_old_and_changes_are_refused(host, agent)
        await recovery_s(host, agent)
        await _nothing_was_done(agent)
    assert host.agent.pid == pid


async def _reads_grow_old_and_changes_are_refused(host: EmbeddedHost, agent: RawAgent) -> None:
    assert await says(agent, NEED_NOTHING, SERVING)
    before = await _reads_at_rest(host, agent)
    for request in mutations(host):
        refusal = await agent.refusal(request)
        assert (refusal.code, refusal.reason) == ("UNAVAILABLE", "LIBVIRT_UNAVAILABLE"), path_of(request)
        assert refusal.retry_s
    refusal = await agent.refusal(GetPoolRequest(pool="p", max_staleness=Duration()))
    assert refusal.reason == "LIBVIRT_UNAVAILABLE"
    # A name that the snapshot lacks cannot be looked for: that is not the same as being absent.
    assert (await agent.refusal(GetPoolRequest(pool="none"))).reason == "LIBVIRT_UNAVAILABLE"
    after = [await agent.ask(request, timeout_s=AT_ONCE_S) for request in reads(host)]
    for request, earlier, later in zip(reads(host), before, after, strict=True):
        assert later.age.ToTimedelta() > earlier.age.ToTimedelta(), path_of(request)
        assert later.as_of.ToDatetime() == earlier.as_of.ToDatetime(), path_of(request)
    assert [pool.name for pool in after[1].pools] == ["p"]
    assert [volume.name for volume in after[3].volumes] == ["v"]
    described = (await agent.ask(GetAgentRequest(), timeout_s=AT_ONCE_S)).agent
    assert not described.libvirt_connected
    assert described.registry_loaded
    assert described.age.ToTimedelta().total_seconds() > 0
    await agent.ask(ListOperationsRequest(), timeout_s=AT_ONCE_S)


async def _reads_at_rest(host: EmbeddedHost, agent: RawAgent) -> list[Any]:
    """The answers once no look is under way any more: one that had libvirt's word already may end without it."""
    seen: list[list[Any]] = []
    since_s = time.monotonic()

    async def stand_still() -> bool:
        nonlocal since_s
        seen.append([await agent.ask(request, timeout_s=AT_ONCE_S) for request in reads(host)])
        if len(seen) > 1 and _dates(seen[-1]) != _dates(seen[-2]):
            since_s = time.monotonic()
        return time.monotonic() - since_s > REST_S

    await eventually(stand_still, limit_s=SEEN_GONE_LIMIT_S, what="nothing is read anew any more")
    return seen[-1]


def _dates(answers: list[Any]) -> list[datetime]:
    return [answer.as_of.ToDatetime() for answer in answers]


async def _nothing_was_done(agent: RawAgent) -> None:
    assert [pool.name for pool in (await agent.ask(ListPoolsRequest())).pools] == ["p"]
    volumes = await agent.ask(ListVolumesRequest(pool="p", max_staleness=Duration()))
    assert [volume.name for volume in volumes.volumes] == ["v"]


async def test_what_changed_while_libvirtd_was_away_is_seen_after_its_return(
    host: EmbeddedHost, agent: RawAgent
) -> None:
    await start_dir_pool(host, agent, "p", "v")
    await agent.done(dir_pool(host, "gone"))
    await asyncio.to_thread(host.libvirtd.kill9)
    next(host.libvirtd.root.glob("**/storage/gone.xml")).unlink()
    (folder(host, "p") / "late").write_bytes(b"late")
    await asyncio.to_thread(host.libvirtd.restart)

    async def seen() -> bool:
        pools = await agent.ask(ListPoolsRequest())
        volumes = await agent.ask(ListVolumesRequest(pool="p"))
        return [pool.name for pool in pools.pools] == ["p"] and "late" in [volume.name for volume in volumes.volumes]

    await eventually(seen, limit_s=RECOVERY_LIMIT_S, what="the pool is gone and the file is there")


async def test_libvirtd_hangs_and_goes_on(host: EmbeddedHost, agent: RawAgent) -> None:
    await start_dir_pool(host, agent, "p", "v")
    host.libvirtd.sigstop()
    try:
        hanging = asyncio.create_task(agent.refusal(RefreshPoolRequest(pool="p")))
        for _ in range(3):
            pool = await agent.ask(GetPoolRequest(pool="p"), timeout_s=AT_ONCE_S)
            pools = await agent.ask(ListPoolsRequest(), timeout_s=AT_ONCE_S)
            described = await agent.ask(GetAgentRequest(), timeout_s=AT_ONCE_S)
            assert pool.pool.name == pools.pools[0].name == "p"
            assert described.agent.registry_loaded
        gone_s = await eventually(
            lambda: says(agent, NEED_LIBVIRT, NOT_SERVING), limit_s=30, what="health says NOT_SERVING"
        )
        print(f"NOT_SERVING {gone_s:.2f} s after libvirtd hung")
        assert (await hanging).reason == "LIBVIRT_UNAVAILABLE"
        await _reads_grow_old_and_changes_are_refused(host, agent)
    finally:
        host.libvirtd.sigcont()

    async def works() -> bool:
        try:
            await agent.done(RefreshPoolRequest(pool="p"))
        except Refused as error:
            if error.reason not in {"LIBVIRT_UNAVAILABLE", "OPERATION_IN_PROGRESS"}:
                raise
            return False
        return await says(agent, NEED_LIBVIRT, SERVING)

    took_s = await eventually(works, limit_s=RECOVERY_LIMIT_S, what="the agent works with libvirtd again")
    print(f"recovered {took_s:.2f} s after libvirtd went on")
    await _nothing_was_done(agent)
