"""The export below a started pool is replaced: its mount is stale, and the supervisor brings the pool back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from poolfleet import FailedPrecondition
from poolfleet.types.pool import Desired, HealthStatus, PoolState
from tests.faults.far_pool import LIMIT_S, far_pool
from tests.raw_agent import eventually

if os.geteuid() == 0:

    async def test_a_stale_share_is_undone_and_mounted_anew_when_there_is_one(short_dir: Path) -> None:
        async with far_pool(short_dir) as far:
            await far.client.set_maintenance(enabled=True)
            far.share.replace_exports()
            await far.until(HealthStatus.FAULTY, "STALE")
            with pytest.raises(FailedPrecondition, match="STALE"):
                await far.client.volumes.delete("far", "v")
            assert len(far.mount_ids()) == 1

            async def undone() -> bool:
                return (await far.client.pools.get("far")).state is PoolState.INACTIVE and not far.mount_ids()

            await far.client.set_maintenance(enabled=False)
            await eventually(undone, limit_s=LIMIT_S, what="the stale share is undone")
            far.share.let_open()
            await far.until(HealthStatus.HEALTHY)
            desired = (await far.client.pools.get("far")).desired_state
            assert desired is not None
            assert (desired.desired, len(far.mount_ids())) == (Desired.STARTED, 1)
            await far.check_whole()
