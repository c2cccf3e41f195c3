"""A host with a started pool on a share that can fall silent, go stale, or be in grace. Needs root."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from poolfleet import VolumeSpec
from poolfleet.aio import AgentClient
from poolfleet.types.pool import HealthStatus
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.nfs_server import NullNfsServer
from scripts.embedded.silent_share import SilentShare
from tests.netfs_pool import mount_ids, netfs_pool
from tests.raw_agent import eventually

LIMIT_S = 60.0
MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class FarPool:
    """The pool `far`, which has one volume, `v` of 1 MiB; its host, its share, and its agent's client."""

    host: EmbeddedHost
    share: SilentShare
    client: AgentClient

    def mount_ids(self) -> list[str]:
        """What is mounted on its target."""
        return mount_ids(self.host, "far")

    async def until(self, status: HealthStatus, reason: str = "") -> None:
        """Wait until it is found in this health."""

        async def so() -> bool:
            health = (await self.client.pools.get("far")).health
            return health is not None and health.status is status and (not reason or health.reason == reason)

        await eventually(so, limit_s=LIMIT_S, what=f"the share is {status} {reason}")

    async def check_whole(self) -> None:
        """Its volume is to be had, from libvirt."""
        assert (await self.client.volumes.get("far", "v", max_staleness_s=0)).capacity_bytes == MIB


@asynccontextmanager
async def far_pool(short_dir: Path, *, metrics_port: int | None = None) -> AsyncIterator[FarPool]:
    """It, on a fresh host, for as long as the block lasts."""
    settings: dict[str, dict[str, float | str]] = {"mount": {"probe_interval_s": 1.0}}
    if metrics_port is not None:
        settings["metrics"] = {"listen": f"127.0.0.1:{metrics_port}"}
    with (
        tempfile.TemporaryDirectory(dir=short_dir, prefix="r") as made,
        NullNfsServer() as server,
        SilentShare(Path(made) / "share", host="127.0.0.1") as share,
        EmbeddedHost("h", Path(made), share=share, settings=settings) as host,
    ):
        async with AgentClient(host.agent.target) as client:
            await client.pools.ensure(netfs_pool("far", host, share, server))
            await client.volumes.create("far", VolumeSpec("v", capacity_bytes=MIB, allocation_bytes=0))
            yield FarPool(host=host, share=share, client=client)
            share.let_open()
            share.heal()
