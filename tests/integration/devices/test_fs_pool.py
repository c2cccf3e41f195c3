"""A file system on a device, typed, from its making to its end: on a loop device, which needs root."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import poolfleet
from poolfleet import PoolSpec, VolumeSpec
from poolfleet.types.pool import HealthStatus
from poolfleet.types.pool_source import FsSource
from scripts.embedded.host import EmbeddedHost
from tests.virsh import virsh

MIB = 1024**2

if os.geteuid() == 0:

    @pytest.mark.cell("fs", "define", "build", "start", "volume", "erase")
    def test_a_file_system_is_made_mounted_filled_erased_and_forgotten(
        host: EmbeddedHost, agent: poolfleet.AgentClient, device: str
    ) -> None:
        target = host.pools_dir / "p"
        spec = PoolSpec.fs("p", device=device, format="ext4", target=str(target), options=["noatime"])
        agent.pools.define(spec)
        agent.pools.build("p", no_overwrite=True)
        with pytest.raises(poolfleet.FailedPrecondition):  # there is a file system now
            agent.pools.build("p", no_overwrite=True)
        agent.pools.start("p")
        mounts = Path(f"/proc/{host.libvirtd.pid}/mounts").read_text().splitlines()
        (mount,) = [line for line in mounts if f" {target} " in line]
        assert mount.startswith(f"{device} {target} ext4 ")
        assert {"noatime", "nodev", "nosuid", "noexec"} <= set(mount.split()[3].split(","))

        pool = agent.pools.get("p")
        assert pool.source == FsSource(device=device, format="ext4")
        assert pool.mount is not None
        assert pool.mount.options == ("noatime",)
        assert pool.health is not None
        assert pool.health.status is HealthStatus.HEALTHY
        assert 0 < (pool.capacity_bytes or 0) < 64 * MIB
        assert not agent.pools.define(spec).changed
        made = agent.volumes.create("p", VolumeSpec("v", capacity_bytes=MIB))
        assert (target / "v").exists() is False  # it is in the host's own mounts alone
        assert made.changed
        assert "v" in virsh(host, "vol-list", "p").split()
        assert [volume.name for volume in agent.volumes.list("p", max_staleness_s=0)] == ["v"]
        assert agent.volumes.get("p", "v").path == str(target / "v")
        agent.volumes.delete("p", "v")
        assert list(agent.volumes.list("p", max_staleness_s=0)) == []

        moved = PoolSpec.fs("p", device=device, format="ext4", target=str(target), options=["relatime"])
        agent.pools.update("p", spec=moved, mask=["spec.mount.options"])
        pending = agent.pools.get("p").pending
        assert pending is not None
        assert pending.fields == ("mount.options",)
        agent.pools.stop("p")
        assert f" {target} " not in Path(f"/proc/{host.libvirtd.pid}/mounts").read_text()
        agent.pools.erase("p")
        assert not target.exists()
        agent.pools.undefine("p")
        with pytest.raises(poolfleet.NotFound):
            agent.pools.get("p")
