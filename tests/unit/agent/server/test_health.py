"""grpc.health.v1 over a real connection: which services serve while libvirt is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from poolfleet_agent.server.health import Health
from poolfleet_agent.server.interceptors import Registrar

WIDE_S = 20
SERVICES = ["AgentService", "InventoryService", "OperationService", "PoolService", "VolumeService"]
SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING


class Stand:
    def __init__(self, health: Health, registrar: Registrar, channel: grpc.aio.Channel) -> None:
        self.health = health
        self.registrar = registrar
        self.stub: Any = health_pb2_grpc.HealthStub(channel)

    async def serving(self) -> set[str]:
        names = {name: f"poolfleet.v1.{name}" for name in SERVICES} | {"": ""}
        return {
            name
            for name, service in names.items()
            if (await self.stub.Check(HealthCheckRequest(service=service), timeout=WIDE_S)).status == SERVING
        }


@pytest.fixture
async def stand(socket_dir: Path) -> AsyncIterator[Stand]:
    server = grpc.aio.server()
    registrar = Registrar(server, longest_calls=9, longest_streams=9, slow_call_s=60)
    health = Health([f"poolfleet.v1.{name}" for name in SERVICES])
    registrar.register(health_pb2_grpc.add_HealthServicer_to_server, health)
    server.add_insecure_port(f"unix:{socket_dir}/s")
    await server.start()
    async with grpc.aio.insecure_channel(f"unix:{socket_dir}/s") as channel:
        yield Stand(health, registrar, channel)
    await server.stop(0)


async def test_before_libvirt_was_seen_only_what_does_not_need_it_serves(stand: Stand) -> None:
    assert await stand.serving() == {"AgentService", "OperationService"}


async def test_with_libvirt_everything_serves_and_without_it_again_not(stand: Stand) -> None:
    stand.health.set_libvirt(connected=True)
    assert await stand.serving() == {*SERVICES, ""}
    stand.health.set_libvirt(connected=False)
    assert await stand.serving() == {"AgentService", "OperationService"}


async def test_a_stopping_agent_serves_nothing_whatever_libvirt_does(stand: Stand) -> None:
    stand.health.stop()
    stand.health.set_libvirt(connected=True)
    assert await stand.serving() == set()


async def test_an_unknown_service_is_not_found(stand: Stand) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stand.stub.Check(HealthCheckRequest(service="other"), timeout=WIDE_S)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_watchers_see_each_change_also_after_another_one_left(stand: Stand) -> None:
    request = HealthCheckRequest(service="poolfleet.v1.PoolService")
    leaving, staying = stand.stub.Watch(request), stand.stub.Watch(request)
    for stream in (leaving, staying):
        assert (await asyncio.wait_for(stream.read(), WIDE_S)).status == NOT_SERVING
    leaving.cancel()
    for connected, status in ((True, SERVING), (False, NOT_SERVING)):
        stand.health.set_libvirt(connected=connected)
        assert (await asyncio.wait_for(staying.read(), WIDE_S)).status == status


async def test_draining_tells_watchers_and_lets_them_go(stand: Stand) -> None:
    stand.health.set_libvirt(connected=True)
    stream = stand.stub.Watch(HealthCheckRequest())
    assert (await asyncio.wait_for(stream.read(), WIDE_S)).status == SERVING
    stand.health.stop()
    assert (await asyncio.wait_for(stream.read(), WIDE_S)).status == NOT_SERVING
    stand.registrar.drain()
    assert await asyncio.wait_for(stream.code(), WIDE_S) is grpc.StatusCode.UNAVAILABLE


async def test_an_unknown_service_of_any_length_is_not_found(stand: Stand) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stand.stub.Check(HealthCheckRequest(service="x" * 1_000_000), timeout=WIDE_S)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
