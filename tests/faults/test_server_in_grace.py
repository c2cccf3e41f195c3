"""A server that was restarted answers, and lets nobody open a file for a while: libvirt is not asked before it does."""

from __future__ import annotations

import asyncio
import os
import tempfile
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from poolfleet import Operation, PoolSpec, VolumeSpec
from poolfleet.aio import AgentClient
from poolfleet.types.operation import OperationState
from poolfleet.types.pool import HealthStatus, PoolState
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.nfs_server import NullNfsServer
from scripts.embedded.silent_share import SilentShare
from tests.raw_agent import eventually

LIMIT_S = 30.0
AT_ONCE_S = 5.0
MIB = 1 << 20

if os.geteuid() == 0:

    @pytest.fixture
    async def running(short_dir: Path, unused_tcp_port: int) -> AsyncIterator[tuple[AgentClient, SilentShare]]:
        """The agent of a host with the pools `far`, on the share, and `near`, each with a volume; and the share."""
        settings = {"mount": {"probe_interval_s": 1.0}, "metrics": {"listen": f"127.0.0.1:{unused_tcp_port}"}}
        with (
            tempfile.TemporaryDirectory(dir=short_dir, prefix="g") as made,
            NullNfsServer() as server,
            SilentShare(Path(made) / "share", host="127.0.0.1") as share,
            EmbeddedHost("h", Path(made), share=share, settings=settings) as host,
        ):
            target, options = str(host.pools_dir / "far"), [f"port={server.port}"]
            far = PoolSpec.netfs("far", host=share.host, path=share.path, target=target, options=options)
            async with AgentClient(host.agent.target) as client:
                for spec in (far, PoolSpec.dir("near", target=str(host.pools_dir / "near"))):
                    await client.pools.ensure(spec)
                    await client.volumes.create(spec.name, VolumeSpec("v", capacity_bytes=MIB, allocation_bytes=0))
                yield client, share
                share.let_open()

    def libvirt_calls(port: int) -> set[str]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=LIMIT_S) as answer:
            lines = answer.read().decode().splitlines()
        return {line for line in lines if line.startswith("poolfleet_libvirt_calls{")}

    NONE = {'poolfleet_libvirt_calls{state="in_flight"} 0.0', 'poolfleet_libvirt_calls{state="hung"} 0.0'}

    async def said(client: AgentClient, operation: Operation) -> str:
        now = await client.operations.get(operation.id)
        assert now.state is OperationState.RUNNING
        return " ".join([*now.warnings, *(attempt.message for attempt in now.attempts)])

    async def wait_in_grace(client: AgentClient, operation: Operation, port: int) -> None:
        async def told() -> bool:
            return "SERVER_IN_GRACE" in await said(client, operation)

        await eventually(told, limit_s=LIMIT_S, what="the operation says what it waits for")
        async with asyncio.timeout(AT_ONCE_S):
            far = await client.pools.get("far")
            assert far.health is None or far.health.status is HealthStatus.HEALTHY
            await client.pools.refresh("near")

        async def none_is_open() -> bool:
            return libvirt_calls(port) == NONE

        await eventually(none_is_open, limit_s=LIMIT_S, what="no call to libvirt waits")

    async def test_a_start_waits_for_an_open_and_all_other_pools_work(
        running: tuple[AgentClient, SilentShare], unused_tcp_port: int
    ) -> None:
        client, share = running
        await client.pools.stop("far")
        share.hold_opens()
        start = await client.pools.start("far", wait=False)
        await wait_in_grace(client, start, unused_tcp_port)
        assert (await client.pools.get("far", max_staleness_s=0)).state is PoolState.INACTIVE
        assert share.waiting_count() == 1
        assert (await client.pools.start("far", wait=False)).id == start.id
        share.let_open()
        await client.operations.wait(start.id, timeout_s=LIMIT_S)
        assert (await client.volumes.get("far", "v", max_staleness_s=0)).capacity_bytes == MIB

    async def test_a_refresh_waits_for_it_too(running: tuple[AgentClient, SilentShare], unused_tcp_port: int) -> None:
        client, share = running
        share.hold_opens()
        refresh = await client.pools.refresh("far", wait=False)
        await wait_in_grace(client, refresh, unused_tcp_port)
        assert (await client.pools.get("far", max_staleness_s=0)).state is PoolState.RUNNING
        assert share.waiting_count() == 1
        share.let_open()
        await client.operations.wait(refresh.id, timeout_s=LIMIT_S)
