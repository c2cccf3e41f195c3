"""The agent goes and comes back while a share is mounted, silent or not: the mount lives on, and it answers soon."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from poolfleet import PoolSpec, VolumeSpec
from poolfleet.aio import AgentClient
from poolfleet.types.pool import HealthStatus, MountOwner, PoolState
from scripts.embedded.agent import EmbeddedAgent
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.nfs_server import NullNfsServer
from scripts.embedded.silent_share import SilentShare
from tests.raw_agent import eventually

LIMIT_S = 30.0
BACK_WITHIN_S = 20.0
MIB = 1 << 20

if os.geteuid() == 0:

    @pytest.fixture
    async def running(short_dir: Path) -> AsyncIterator[tuple[EmbeddedHost, SilentShare, AgentClient]]:
        """A host with the pool `far` on a share, started and with one volume."""
        with (
            tempfile.TemporaryDirectory(dir=short_dir, prefix="r") as made,
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
                share.heal()

    def mount_ids(host: EmbeddedHost) -> list[str]:
        lines = Path(f"/proc/{host.libvirtd.pid}/mountinfo").read_text().splitlines()
        return [line.split()[0] for line in lines if f" {host.pools_dir}/far " in line]

    async def is_now(client: AgentClient, status: HealthStatus) -> None:
        async def so() -> bool:
            health = (await client.pools.get("far")).health
            return health is not None and health.status is status

        await eventually(so, limit_s=LIMIT_S, what=f"the share is {status}")

    @pytest.mark.parametrize("silent", [False, True], ids=["healthy", "silent"])
    @pytest.mark.parametrize("end", [EmbeddedAgent.stop, EmbeddedAgent.kill9], ids=["stopped", "killed"])
    async def test_mounts_outlive_the_agent_which_is_back_soon(
        running: tuple[EmbeddedHost, SilentShare, AgentClient], end: Callable[[EmbeddedAgent], None], silent: bool
    ) -> None:
        host, share, client = running
        mounted = mount_ids(host)
        if silent:
            share.silence()
            await is_now(client, HealthStatus.UNRESPONSIVE)
        began_s = time.monotonic()
        await asyncio.to_thread(end, host.agent)
        assert mount_ids(host) == mounted
        await asyncio.to_thread(host.agent.start)
        far = await client.pools.get("far")
        took_s = time.monotonic() - began_s
        print(f"back after {took_s:.1f} s")
        assert took_s < BACK_WITHIN_S
        assert far.state is PoolState.RUNNING
        if silent:
            await is_now(client, HealthStatus.UNRESPONSIVE)
            share.heal()
        await is_now(client, HealthStatus.HEALTHY)
        assert (await client.volumes.get("far", "v", max_staleness_s=0)).capacity_bytes == MIB
        mount = (await client.pools.get("far")).mount
        assert mount
        assert (mount.owner, mount_ids(host)) == (MountOwner.AGENT, mounted)
        assert not [operation async for operation in client.operations.list() if operation.caller == "supervisor"]
