"""The agent goes and comes back while a share is mounted, silent or not: the mount lives on, and it answers soon."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from poolfleet.types.pool import HealthStatus, PoolState
from poolfleet.types.pool_spec import MountOwner
from scripts.embedded.agent import EmbeddedAgent
from tests.faults.far_pool import far_pool
from tests.raw_agent import eventually

BACK_WITHIN_S = 20.0

if os.geteuid() == 0:

    @pytest.mark.parametrize("silent", [False, True], ids=["healthy", "silent"])
    @pytest.mark.parametrize("end", [EmbeddedAgent.stop, EmbeddedAgent.kill9], ids=["stopped", "killed"])
    async def test_mounts_outlive_the_agent_which_is_back_soon(
        short_dir: Path, end: Callable[[EmbeddedAgent], None], silent: bool
    ) -> None:
        async with far_pool(short_dir) as far:
            mounted = far.mount_ids()
            if silent:
                far.share.silence()
                await far.until(HealthStatus.UNRESPONSIVE)
            began_s = time.monotonic()
            await asyncio.to_thread(end, far.host.agent)
            assert far.mount_ids() == mounted
            await asyncio.to_thread(far.host.agent.start)

            async def running() -> bool:
                # One that was killed begins with what it last stored, dated so: that may be of before the pool's start.
                return (await far.client.pools.get("far")).state is PoolState.RUNNING

            await eventually(running, limit_s=BACK_WITHIN_S, what="the pool is told of as running")
            print(f"back after {time.monotonic() - began_s:.1f} s")
            if silent:
                await far.until(HealthStatus.UNRESPONSIVE)
                far.share.heal()
            await far.until(HealthStatus.HEALTHY)
            await far.check_whole()
            mount = (await far.client.pools.get("far")).mount
            assert mount
            assert (mount.owner, far.mount_ids()) == (MountOwner.AGENT, mounted)
            operations = [operation async for operation in far.client.operations.list()]
            assert not [operation for operation in operations if operation.caller == "supervisor"]
