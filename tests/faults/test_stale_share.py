"""The export below a started pool is replaced: its mount is stale, and the supervisor brings the pool back."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from poolfleet import FailedPrecondition, PoolSpec, VolumeSpec
from poolfleet.aio import AgentClient
from poolfleet.types.pool import Desired, HealthStatus, PoolState
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.nfs_server import NullNfsServer
from scripts.embedded.silent_share import SilentShare
from tests.raw_agent import eventually

LIMIT_S = 60.0
MIB = 1 << 20

if os.geteuid() == 0:

    @pytest.fixture
    async def running(short_dir: Path) -> AsyncIterator[tuple[EmbeddedHost, SilentShare, AgentClient]]:
        """A host with the pool `far` on a share, started and with one volume."""
        with (
            tempfile.TemporaryDirectory(dir=short_dir, prefix="e") as made,
            NullNfsServer() as server,
            SilentShare(Path(made) / "share", host="127.0.0.1") as share,
            EmbeddedHost("h", Path(made), share=share, settings={"mount": {"probe_interval_s": 1.0}}) as host,
        ):
            target, options = str(host.pools_dir / "far"), [f"port={server.port}"]
            async with AgentClient(host.agent.target) as client:
                await client.pools.ensure(
                    PoolSpec.netfs("far", host=share.host, path=share.path, target=target, options=options)
                )
                await client.volumes.create("far", VolumeSpec("v", capacity_bytes=MIB, allocation_bytes=0))
                yield host, share, client
                share.let_open()

    async def test_a_stale_share_is_undone_and_mounted_anew_when_there_is_one(
        running: tuple[EmbeddedHost, SilentShare, AgentClient],
    ) -> None:
        host, share, client = running

        def layers() -> int:
            lines = Path(f"/proc/{host.libvirtd.pid}/mountinfo").read_text().splitlines()
            return sum(f" {host.pools_dir}/far " in line for line in lines)

        async def stale() -> bool:
            health = (await client.pools.get("far")).health
            return health is not None and health.reason == "STALE"

        await client.set_maintenance(enabled=True)
        share.replace_exports()
        await eventually(stale, limit_s=LIMIT_S, what="the share is found stale")
        with pytest.raises(FailedPrecondition, match="STALE"):
            await client.volumes.delete("far", "v")
        assert layers() == 1

        async def undone() -> bool:
            return (await client.pools.get("far")).state is PoolState.INACTIVE and layers() == 0

        await client.set_maintenance(enabled=False)
        await eventually(undone, limit_s=LIMIT_S, what="the stale share is undone")
        share.let_open()

        async def back() -> bool:
            pool = await client.pools.get("far")
            return pool.health is not None and pool.health.status is HealthStatus.HEALTHY

        await eventually(back, limit_s=LIMIT_S, what="the pool is back")
        far = await client.pools.get("far")
        assert far.desired_state is not None
        assert (far.desired_state.desired, layers()) == (Desired.STARTED, 1)
        assert (await client.volumes.get("far", "v", max_staleness_s=0)).capacity_bytes == MIB
