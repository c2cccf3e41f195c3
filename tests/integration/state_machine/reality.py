"""What a host's pools and volumes are: by the agent, by virsh, and by the folders themselves, each in the same form."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.duration_pb2 import Duration

from poolfleet.v1.pool_pb2 import PoolState
from poolfleet.v1.pool_service_pb2 import ListPoolsRequest
from poolfleet.v1.volume_service_pb2 import ListVolumesRequest
from scripts.embedded.host import EmbeddedHost
from tests.raw_agent import RawAgent

Pools = dict[str, tuple[bool, bool]]
"""Active and autostart of each."""

Volumes = dict[str, dict[str, int]]
"""Capacity in bytes of each volume of each active pool."""

_CAPACITY = re.compile(r"<capacity unit='bytes'>(\d+)</capacity>")


@dataclass(frozen=True)
class Reality:
    """A host and its agent, to be looked at."""

    host: EmbeddedHost
    agent: RawAgent

    async def by_agent(self) -> tuple[Pools, Volumes]:
        """The pools of the snapshot; the volumes by a new look."""
        listed = (await self.agent.ask(ListPoolsRequest())).pools
        pools = {pool.name: (pool.state == PoolState.POOL_STATE_RUNNING, pool.autostart) for pool in listed}
        volumes = {}
        for name, (active, _) in pools.items():
            if active:
                found = await self.agent.ask(ListVolumesRequest(pool=name, max_staleness=Duration()))
                volumes[name] = {volume.name: volume.capacity_bytes for volume in found.volumes}
        return pools, volumes

    def by_virsh(self) -> tuple[Pools, Volumes]:
        """What `pool-list`, `vol-list` and `vol-dumpxml` print."""
        every, active, autostart = (
            set(part.split())
            for part in self._virsh("pool-list --name --all", "pool-list --name", "pool-list --name --all --autostart")
        )
        pools = {name: (name in active, name in autostart) for name in every}
        running = sorted(active)
        tables = self._virsh(*(f"vol-list {name}" for name in running))
        places = [
            (pool, line.split()[0])
            for pool, table in zip(running, tables, strict=True)
            for line in table.splitlines()
            if line.strip()
        ]
        volumes: Volumes = {pool: {} for pool in running}
        documents = self._virsh(*(f"vol-dumpxml {name} {pool}" for pool, name in places))
        for (pool, name), document in zip(places, documents, strict=True):
            found = _CAPACITY.search(document)
            volumes[pool][name] = int(found[1]) if found else 0
        return pools, volumes

    def folder(self, pool: str) -> Path:
        """A pool's folder as its host sees it, with what is mounted there."""
        return Path(f"/proc/{self.host.libvirtd.pid}/root{self.host.pools_dir / pool}")

    def file_bytes(self, pool: str, volume: str) -> int:
        """How long a volume's file is; 0 where there is none."""
        path = self.folder(pool) / volume
        return path.stat().st_size if path.exists() else 0

    def _virsh(self, *commands: str) -> list[str]:
        """The output of each command, of one virsh; what it prints between them has no end of line."""
        if not commands:
            return []
        words = "; ".join(part for command in commands for part in (command, "echo ===="))
        argv = ["virsh", "--quiet", "--connect", self.host.libvirtd.uri, words]
        done = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60)
        return done.stdout.split("====")[:-1]
