"""A start beside a libvirtd that is away or hangs: an unread host never looks like an empty one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from grpc_health.v1.health_pb2 import HealthCheckResponse

from poolfleet.v1.agent_service_pb2 import GetAgentRequest
from poolfleet.v1.inventory_service_pb2 import ListDomainDisksRequest
from poolfleet.v1.operation_service_pb2 import ListOperationsRequest
from poolfleet.v1.pool_service_pb2 import (
    BuildPoolRequest,
    ErasePoolRequest,
    GetPoolRequest,
    ListPoolsRequest,
    RefreshPoolRequest,
    StartPoolRequest,
    StopPoolRequest,
    UndefinePoolRequest,
    UpdatePoolRequest,
)
from poolfleet.v1.volume_service_pb2 import (
    DeleteVolumeRequest,
    GetVolumeRequest,
    ListVolumesRequest,
    LookupVolumeRequest,
)
from scripts.contract_tables import error_tables
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.libvirtd import EmbeddedLibvirtd
from tests.made_pools import dir_pool, folder, raw_volume, start_dir_pool
from tests.raw_agent import RawAgent, Refused, eventually, path_of, raw_agent
from tests.stored_state import stored_state

NOT_SERVING = HealthCheckResponse.NOT_SERVING
LOADED_LIMIT_S = 20.0


@pytest.fixture
def bare_host(host_folder: Path, libvirtd: EmbeddedLibvirtd) -> Iterator[EmbeddedHost]:
    """A host whose libvirtd runs, and whose agent was never started."""
    host = EmbeddedHost("h", host_folder)
    host.libvirtd.learn_emulators_from(libvirtd)
    host.start_libvirtd()
    try:
        yield host
    finally:
        host.stop()


def everything_about_pools(host: EmbeddedHost) -> list[Message]:
    path = str(folder(host, "p") / "v")
    return [
        GetPoolRequest(pool="p"),
        GetPoolRequest(pool="p", max_staleness=Duration()),
        ListPoolsRequest(),
        GetVolumeRequest(pool="p", volume="v"),
        ListVolumesRequest(pool="p"),
        ListVolumesRequest(),
        LookupVolumeRequest(path=path),
        LookupVolumeRequest(key=path),
        ListDomainDisksRequest(),
        dir_pool(host, "p"),
        UpdatePoolRequest(pool="p", update_mask=FieldMask(paths=["autostart"])),
        UndefinePoolRequest(pool="p", allow_missing=True),
        ErasePoolRequest(pool="p", allow_missing=True),
        StartPoolRequest(pool="p"),
        StopPoolRequest(pool="p"),
        BuildPoolRequest(pool="p"),
        RefreshPoolRequest(pool="p"),
        raw_volume("p", "v"),
        DeleteVolumeRequest(pool="p", volume="v", allow_missing=True),
    ]


async def loaded(agent: RawAgent) -> bool:
    try:
        return bool((await agent.ask(GetAgentRequest())).agent.registry_loaded)
    except Refused:
        return False


def kill(host: EmbeddedHost) -> None:
    host.libvirtd.kill9()


def stop(host: EmbeddedHost) -> None:
    host.libvirtd.sigstop()


def bring_back(host: EmbeddedHost) -> None:
    if host.libvirtd.pid is None:
        host.libvirtd.restart()
    else:
        host.libvirtd.sigcont()


@pytest.mark.parametrize("take_away", [kill, stop])
async def test_a_first_start_without_libvirt_says_that_nothing_was_read_yet(
    take_away: Callable[[EmbeddedHost], None], bare_host: EmbeddedHost
) -> None:
    host = bare_host
    tables = error_tables()
    take_away(host)
    await asyncio.to_thread(host.agent.start)
    async with raw_agent(host.agent.target) as agent:
        for request in everything_about_pools(host):
            refusal = await agent.refusal(request)
            assert (refusal.code, refusal.reason) == ("UNAVAILABLE", "REGISTRY_NOT_LOADED"), path_of(request)
            assert refusal.retry_s
            assert (refusal.code, refusal.reason) in tables[path_of(request)].outcomes
        described = (await agent.ask(GetAgentRequest())).agent
        assert not described.registry_loaded
        assert not described.HasField("age")
        assert not (await agent.ask(ListOperationsRequest())).operations
        assert await agent.health("PoolService") == NOT_SERVING
        await asyncio.to_thread(bring_back, host)
        took_s = await eventually(lambda: loaded(agent), limit_s=LOADED_LIMIT_S, what="the pools are read")
        print(f"read {took_s:.2f} s after libvirtd's return")
        assert not (await agent.ask(ListPoolsRequest())).pools
        await start_dir_pool(host, agent, "p", "v")


@pytest.mark.parametrize("take_away", [kill, stop])
async def test_a_later_start_without_libvirt_answers_with_what_was_known_and_its_age(
    take_away: Callable[[EmbeddedHost], None], bare_host: EmbeddedHost
) -> None:
    host = bare_host
    await asyncio.to_thread(host.agent.start)
    async with raw_agent(host.agent.target) as agent:
        await eventually(lambda: loaded(agent), limit_s=LOADED_LIMIT_S, what="the pools are read")
        await start_dir_pool(host, agent, "p", "v")
        await agent.done(RefreshPoolRequest(pool="p"))
        before = await agent.ask(GetPoolRequest(pool="p"))
    await asyncio.to_thread(host.agent.stop)
    stopped_at = datetime.now(UTC)
    take_away(host)
    await asyncio.to_thread(host.agent.start)
    async with raw_agent(host.agent.target) as agent:
        after = await agent.ask(GetPoolRequest(pool="p"))
        assert after.as_of.ToDatetime(UTC) <= stopped_at
        assert after.age.ToTimedelta().total_seconds() > 0.1
        assert after.pool.volume_count == 1
        assert after.pool.etag == before.pool.etag
        pools = await agent.ask(ListPoolsRequest())
        assert [pool.name for pool in pools.pools] == ["p"]
        volumes = await agent.ask(ListVolumesRequest(pool="p"))
        assert [volume.name for volume in volumes.volumes] == ["v"]
        assert min(answer.age.ToTimedelta().total_seconds() for answer in (pools, volumes)) > 0.1
        described = (await agent.ask(GetAgentRequest())).agent
        assert described.registry_loaded
        assert not described.libvirt_connected
        assert (await agent.refusal(raw_volume("p", "w"))).reason == "LIBVIRT_UNAVAILABLE"
        await asyncio.to_thread(bring_back, host)

        async def fresh() -> bool:
            answer = await agent.ask(GetPoolRequest(pool="p"))
            return bool(answer.as_of.ToDatetime() > before.as_of.ToDatetime())

        await eventually(fresh, limit_s=LOADED_LIMIT_S, what="the pools are read anew")


async def test_what_was_known_survives_a_kill_of_the_agent(bare_host: EmbeddedHost) -> None:
    host = bare_host
    await asyncio.to_thread(host.agent.start)
    async with raw_agent(host.agent.target) as agent:
        await eventually(lambda: loaded(agent), limit_s=LOADED_LIMIT_S, what="the pools are read")
        await start_dir_pool(host, agent, "p", "v")

    def stored() -> bool:
        with stored_state(host.agent.state_dir) as state:
            return bool(state.execute("SELECT count(*) FROM snapshot_pool").fetchone()[0])

    # The observer does so after libvirt's events.
    await eventually(lambda: asyncio.to_thread(stored), limit_s=LOADED_LIMIT_S, what="what it has seen is stored")
    host.libvirtd.sigstop()
    await asyncio.to_thread(host.agent.kill9)
    await asyncio.to_thread(host.agent.start)
    async with raw_agent(host.agent.target) as agent:
        assert [pool.name for pool in (await agent.ask(ListPoolsRequest())).pools] == ["p"]
