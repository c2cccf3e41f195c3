"""A host boots while the share of an autostart pool is silent: libvirt hangs in its own mount, and is freed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from poolfleet.aio import AgentClient
from poolfleet.types.pool import PoolState
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.nfs_server import NullNfsServer
from scripts.embedded.standin import NetfsStandIn
from tests.netfs_pool import netfs_pool
from tests.raw_agent import eventually

LIMIT_S = 60.0
AT_ONCE_S = 15.0
FREED_WITHIN_S = 90.0
"""15 s on a quiet machine."""

if os.geteuid() == 0:

    @pytest.fixture
    def share(host_folder: Path) -> Iterator[NetfsStandIn]:
        with NetfsStandIn(host_folder / "share", host="127.0.0.1") as running:
            yield running

    @pytest.fixture
    def autostarting(host_folder: Path, share: NetfsStandIn, server: NullNfsServer) -> Iterator[EmbeddedHost]:
        """A host that is down, with a pool on the share that starts with it."""
        host = EmbeddedHost("h", host_folder, share=share)
        host.start()
        try:
            asyncio.run(define_pools(host, share, server))
        finally:
            host.stop()
        yield host
        host.stop()

    async def define_pools(host: EmbeddedHost, share: NetfsStandIn, server: NullNfsServer) -> None:
        async with AgentClient(host.agent.target) as client:
            await client.pools.ensure(netfs_pool("far", host, share, server), autostart=True)

    def virsh(host: EmbeddedHost) -> bool:
        argv = ["virsh", "--connect", host.libvirtd.uri, "list", "--all"]
        return subprocess.run(argv, check=False, timeout=FREED_WITHIN_S, capture_output=True).returncode == 0

    @pytest.mark.timeout(300)
    async def test_libvirt_answers_again_the_agent_always_did_and_the_pool_comes_up_when_the_share_does(
        autostarting: EmbeddedHost, share: NetfsStandIn, server: NullNfsServer
    ) -> None:
        host = autostarting
        server.close()
        share.mounts_hang(so=True)
        booting = asyncio.create_task(asyncio.to_thread(host.start_libvirtd))
        began_s = time.monotonic()
        await eventually(lambda: asyncio.to_thread(host.libvirtd.socket.exists), limit_s=LIMIT_S, what="libvirtd is up")
        await asyncio.to_thread(host.agent.start)
        async with AgentClient(host.agent.target) as client:
            asked = asyncio.create_task(asyncio.to_thread(virsh, host))
            while not asked.done():
                async with asyncio.timeout(AT_ONCE_S):
                    assert [pool.name async for pool in client.pools.list()] == ["far"]
                await asyncio.wait({asked}, timeout=0.5)
            assert await asked
            freed_s = time.monotonic() - began_s
            print(f"libvirt answered {freed_s:.1f} s after its start")
            assert freed_s < FREED_WITHIN_S
            await booting
            assert "ended a mount that libvirt hung on" in host.agent.log.read_text()
            share.mounts_hang(so=False)
            server.open()

            async def up() -> bool:
                return (await client.pools.get("far")).state is PoolState.RUNNING

            await eventually(up, limit_s=LIMIT_S, what="the pool is up")
