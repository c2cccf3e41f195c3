"""A server that was restarted answers, and lets nobody open a file for a while: libvirt is not asked before it does."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from poolfleet import Operation, PoolSpec, VolumeSpec
from poolfleet.aio import AgentClient
from poolfleet.types.operation import OperationState
from poolfleet.types.pool import HealthStatus, PoolState
from scripts.embedded.silent_share import SilentShare
from tests.faults.far_pool import MIB, far_pool
from tests.raw_agent import eventually
from tests.silent_host import AT_ONCE_S, libvirt_calls_settle, looked_at_all

LIMIT_S = 30.0

if os.geteuid() == 0:

    @pytest.fixture
    async def running(short_dir: Path, metrics_port: int) -> AsyncIterator[tuple[AgentClient, SilentShare]]:
        """The agent of a host with the pools `far`, on the share, and `near`, each with a volume; and the share."""
        async with far_pool(short_dir, metrics_port=metrics_port) as far:
            await far.client.pools.ensure(PoolSpec.dir("near", target=str(far.host.pools_dir / "near")))
            await far.client.volumes.create("near", VolumeSpec("v", capacity_bytes=MIB, allocation_bytes=0))
            # A look of the agent's at what was made would wait for an open, too.
            await looked_at_all(far.client, metrics_port)
            yield far.client, far.share

    async def said(client: AgentClient, operation: Operation) -> str:
        now = await client.operations.get(operation.id)
        assert now.state is OperationState.RUNNING
        return " ".join([*now.warnings, *(attempt.message for attempt in now.attempts)])

    async def is_well(client: AgentClient) -> bool:
        health = (await client.pools.get("far")).health
        return health is None or health.status is HealthStatus.HEALTHY

    async def wait_in_grace(client: AgentClient, operation: Operation, port: int) -> None:
        async def told() -> bool:
            return "SERVER_IN_GRACE" in await said(client, operation)

        await eventually(told, limit_s=LIMIT_S, what="the operation says what it waits for")
        async with asyncio.timeout(AT_ONCE_S):
            await client.pools.refresh("near")
        await eventually(lambda: is_well(client), limit_s=AT_ONCE_S, what="the share is healthy, as far as it is there")
        await libvirt_calls_settle(port)

    async def one_open_waits(share: SilentShare) -> None:
        """What waits stays, while the agent's probes come and go at any moment."""

        async def alone() -> bool:
            return share.waiting_count() == 1

        await eventually(alone, limit_s=LIMIT_S, what="one open waits, and nothing else")

    async def test_a_start_waits_for_an_open_and_all_other_pools_work(
        running: tuple[AgentClient, SilentShare], metrics_port: int
    ) -> None:
        client, share = running
        await client.pools.stop("far")
        share.hold_opens()
        start = await client.pools.start("far", wait=False)
        await wait_in_grace(client, start, metrics_port)
        assert (await client.pools.get("far", max_staleness_s=0)).state is PoolState.INACTIVE
        await one_open_waits(share)
        assert (await client.pools.start("far", wait=False)).id == start.id
        share.let_open()
        await client.operations.wait(start.id, timeout_s=LIMIT_S)
        assert (await client.volumes.get("far", "v", max_staleness_s=0)).capacity_bytes == MIB

    async def test_a_refresh_waits_for_it_too(running: tuple[AgentClient, SilentShare], metrics_port: int) -> None:
        client, share = running
        share.hold_opens()
        refresh = await client.pools.refresh("far", wait=False)
        await wait_in_grace(client, refresh, metrics_port)
        assert (await client.pools.get("far", max_staleness_s=0)).state is PoolState.RUNNING
        await one_open_waits(share)
        share.let_open()
        await client.operations.wait(refresh.id, timeout_s=LIMIT_S)
