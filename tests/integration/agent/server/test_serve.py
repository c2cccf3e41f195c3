"""The agent as a process beside a real libvirtd: it answers, follows libvirt's coming and going, and ends well."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from poolfleet.v1.agent_service_pb2 import GetAgentRequest
from poolfleet.v1.agent_service_pb2_grpc import AgentServiceStub
from poolfleet.v1.operation_service_pb2 import WatchOperationsRequest
from poolfleet.v1.operation_service_pb2_grpc import OperationServiceStub
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.process import wait_until

LIMIT_S = 60
SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING


@pytest.fixture
async def channel(host: EmbeddedHost) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(host.agent.target) as channel:
        yield channel


async def test_it_answers_on_a_socket_that_only_its_group_can_open(
    host: EmbeddedHost, channel: grpc.aio.Channel
) -> None:
    answer = await AgentServiceStub(channel).GetAgent(GetAgentRequest(), timeout=LIMIT_S)
    assert answer.agent.agent_id
    assert answer.agent.storage_uri == host.libvirtd.uri
    assert stat.S_IMODE(host.agent.socket.stat().st_mode) == 0o660


async def test_it_is_the_same_agent_after_a_restart(host: EmbeddedHost) -> None:
    ids = set()
    for _ in range(2):
        async with grpc.aio.insecure_channel(host.agent.target) as channel:
            answer = await AgentServiceStub(channel).GetAgent(GetAgentRequest(), timeout=LIMIT_S)
            ids.add(answer.agent.agent_id)
        await asyncio.to_thread(host.agent.stop)
        await asyncio.to_thread(host.agent.start)
    assert len(ids) == 1


async def test_health_follows_libvirt(host: EmbeddedHost, channel: grpc.aio.Channel) -> None:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    pools = stub.Watch(HealthCheckRequest(service="poolfleet.v1.PoolService"))

    async def until(wanted: int) -> None:
        while (await pools.read()).status != wanted:
            pass

    await asyncio.wait_for(until(SERVING), LIMIT_S)
    await asyncio.to_thread(host.libvirtd.kill9)
    await asyncio.wait_for(until(NOT_SERVING), LIMIT_S)
    agent = await stub.Check(HealthCheckRequest(service="poolfleet.v1.AgentService"), timeout=LIMIT_S)
    assert agent.status == SERVING
    await asyncio.to_thread(host.libvirtd.restart)
    await asyncio.wait_for(until(SERVING), LIMIT_S)


async def test_sigterm_ends_watches_at_once_and_the_agent_well(host: EmbeddedHost, channel: grpc.aio.Channel) -> None:
    stream = OperationServiceStub(channel).WatchOperations(WatchOperationsRequest())
    first: Any = await asyncio.wait_for(stream.read(), LIMIT_S)
    assert first.present_state_sent
    pid = host.agent.pid
    assert pid is not None
    os.kill(pid, signal.SIGTERM)
    assert await asyncio.wait_for(stream.code(), LIMIT_S) is grpc.StatusCode.UNAVAILABLE
    assert await stream.details() == "the agent is shutting down"
    await asyncio.to_thread(lambda: wait_until(lambda: host.agent.pid is None, limit_s=LIMIT_S, what="the agent ends"))
    assert "Traceback" not in host.agent.log.read_text()
    assert not host.agent.socket.exists()


async def test_a_second_agent_on_the_same_socket_leaves_the_first_alone(
    host: EmbeddedHost, channel: grpc.aio.Channel, tmp_path: Path
) -> None:
    config = tmp_path / "second.toml"
    config.write_text(f'state_dir = "{host.agent.state_dir}"\n[listen]\nunix = "{host.agent.socket}"\n')
    command = [sys.executable, "-m", "poolfleet_agent.cli", "serve", "--config", str(config)]
    second = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert second.returncode == 78
    assert "is an agent running already?" in second.stderr
    await AgentServiceStub(channel).GetAgent(GetAgentRequest(), timeout=LIMIT_S)
