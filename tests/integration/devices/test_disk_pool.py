"""A disk and its partitions, typed, from its making to its end: on a loop device, which needs root."""

from __future__ import annotations

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import poolfleet
from poolfleet import CloneSpec, PoolSpec, VolumeSpec
from poolfleet.types.pool_source import DiskSource
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.process import wait_until
from tests.loop_device import LIMIT_S, SIZE_BYTES, told_by
from tests.virsh import virsh

MIB = 1024**2

if os.geteuid() == 0:

    @pytest.fixture
    def disk(agent: poolfleet.AgentClient, device: str) -> str:
        """The name of a disk that is a started pool."""
        agent.pools.define(PoolSpec.disk("p", device=device, format="gpt"))
        agent.pools.build("p", no_overwrite=True)
        agent.pools.start("p")
        return Path(device).name

    def partitions(device: str) -> dict[str, int]:
        """What the kernel has of it: sizes by name."""
        (found,) = json.loads(told_by("lsblk", "--json", "--bytes", "--output", "NAME,SIZE", device))["blockdevices"]
        return {child["name"]: child["size"] for child in found.get("children", [])}

    def told_anew(device: str) -> bool:
        """Have the kernel read the table: not while somebody looks at a partition."""
        done = subprocess.run(["partx", "--update", device], check=False, capture_output=True, timeout=LIMIT_S)
        return done.returncode == 0

    def table(device: str) -> str:
        """The kind of its partition table, as it is on the disk; empty: none."""
        argv = ["blkid", "--probe", "--match-tag", "PTTYPE", "--output", "value", device]
        return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=LIMIT_S).stdout.strip()

    @pytest.mark.cell("disk", "define", "build", "start", "erase")
    def test_a_disk_is_given_a_table_started_and_erased(
        host: EmbeddedHost, agent: poolfleet.AgentClient, device: str
    ) -> None:
        spec = PoolSpec.disk("p", device=device, format="gpt")
        agent.pools.define(spec)
        assert f"<device path='{device}'/>" in virsh(host, "pool-dumpxml", "p")
        with pytest.raises(poolfleet.FailedPrecondition) as unbuilt:
            agent.pools.start("p")
        assert unbuilt.value.reason == "PATH_NOT_USABLE"
        agent.pools.stop("p")  # or it would be started as soon as it is built

        agent.pools.build("p", no_overwrite=True)
        assert table(device) == "gpt"
        for no_overwrite in (True, False):
            with pytest.raises(poolfleet.FailedPrecondition) as built:
                agent.pools.build("p", no_overwrite=no_overwrite)
            assert built.value.reason == "POOL_ALREADY_BUILT"
        agent.pools.build("p", overwrite=True)

        agent.pools.start("p")
        pool = agent.pools.get("p")
        assert pool.source == DiskSource(device=device, format="gpt")
        assert 0 < SIZE_BYTES - (pool.capacity_bytes or 0) < MIB
        assert "running" in virsh(host, "pool-info", "p")
        assert not agent.pools.define(spec).changed

        with pytest.raises(poolfleet.FailedPrecondition) as started:
            agent.pools.erase("p")
        assert started.value.reason == "POOL_ACTIVE"
        agent.pools.stop("p")
        agent.pools.erase("p")
        assert table(device) == ""
        agent.pools.undefine("p")

    @pytest.mark.cell("disk", "volume")
    def test_partitions_are_made_listed_wiped_cloned_and_deleted(
        host: EmbeddedHost, agent: poolfleet.AgentClient, device: str, disk: str
    ) -> None:
        for name, volume_format in ((f"{disk}p1", ""), (f"{disk}p2", "linux")):
            spec = VolumeSpec(name, capacity_bytes=8 * MIB, format=volume_format)
            assert agent.volumes.create("p", spec).changed
            assert not agent.volumes.create("p", spec).changed
        assert partitions(device) == {f"{disk}p1": 8 * MIB, f"{disk}p2": 8 * MIB}
        assert {f"{disk}p1", f"{disk}p2"} <= set(virsh(host, "vol-list", "p").split())
        volume = agent.volumes.get("p", f"{disk}p2")
        assert (volume.path, volume.type, volume.format) == (f"/dev/{disk}p2", "block", "linux")
        assert agent.volumes.lookup(path=volume.path).name == volume.name

        content = os.urandom(MIB)
        Path(volume.path).write_bytes(content)
        agent.volumes.clone("p", f"{disk}p2", CloneSpec(f"{disk}p3"))
        assert Path(f"/dev/{disk}p3").read_bytes()[:MIB] == content
        agent.volumes.wipe("p", f"{disk}p2")
        assert not any(Path(volume.path).read_bytes())

        agent.volumes.delete("p", f"{disk}p2")
        assert set(partitions(device)) == {f"{disk}p1", f"{disk}p3"}
        assert [each.name for each in agent.volumes.list("p", max_staleness_s=0)] == [f"{disk}p1", f"{disk}p3"]
        assert agent.volumes.create("p", VolumeSpec(f"{disk}p2", capacity_bytes=4 * MIB)).changed
        assert partitions(device)[f"{disk}p2"] == 4 * MIB

    @pytest.mark.cell("disk", "volume")
    def test_a_name_that_the_partition_will_not_have_is_refused_and_nothing_made(
        agent: poolfleet.AgentClient, device: str, disk: str
    ) -> None:
        for name in ("data", f"{disk}p2", f"{disk}1"):
            with pytest.raises(poolfleet.InvalidArgument) as refused:
                agent.volumes.create("p", VolumeSpec(name, capacity_bytes=8 * MIB))
            assert refused.value.reason == "INVALID_FIELD"
            assert f"{disk}p1" in refused.value.message
        assert partitions(device) == {}
        with pytest.raises(poolfleet.Unsupported):
            agent.volumes.create("p", VolumeSpec(f"{disk}p1", capacity_bytes=8 * MIB, format="qcow2"))
        with pytest.raises(poolfleet.ResourceExhausted) as too_large:
            agent.volumes.create("p", VolumeSpec(f"{disk}p1", capacity_bytes=2 * SIZE_BYTES))
        assert too_large.value.reason == "NO_SPACE"
        assert partitions(device) == {}

    @pytest.mark.cell("disk", "volume")
    def test_of_partitions_that_are_deleted_at_once_none_comes_back(
        host: EmbeddedHost, agent: poolfleet.AgentClient, device: str, disk: str
    ) -> None:
        """Each delete writes the whole table: what it has read must not be older than what another wrote."""
        *names, last = (f"{disk}p{number}" for number in range(1, 6))
        for _ in range(3):
            for name in (*names, last):
                agent.volumes.create("p", VolumeSpec(name, capacity_bytes=8 * MIB))
            with ThreadPoolExecutor(len(names)) as pool:
                deleting = [pool.submit(agent.volumes.delete, "p", name) for name in names]
            assert [one.result().changed for one in deleting] == [True] * len(names)
            # Or the kernel would not tell of one that is in the table again.
            wait_until(lambda: told_anew(device), limit_s=LIMIT_S, what="the kernel has the table as it is now")
            assert set(partitions(device)) == {last}
            assert virsh(host, "vol-list", "p", "--details").count(f"{disk}p") == 2  # its name, and its path
            agent.volumes.delete("p", last)

    @pytest.mark.cell("disk", "volume")
    def test_a_partition_that_is_mounted_is_not_deleted(
        host_folder: Path, agent: poolfleet.AgentClient, device: str, disk: str
    ) -> None:
        agent.volumes.create("p", VolumeSpec(f"{disk}p1", capacity_bytes=8 * MIB))
        told_by("mkfs.ext4", "-q", f"{device}p1")
        folder = host_folder / "mounted"
        folder.mkdir()
        told_by("mount", f"{device}p1", str(folder))
        try:
            with pytest.raises(poolfleet.FailedPrecondition) as refused:
                agent.volumes.delete("p", f"{disk}p1")
        finally:
            told_by("umount", str(folder))
        assert refused.value.reason == "VOLUME_IN_USE"
        assert set(partitions(device)) == {f"{disk}p1"}
        agent.volumes.delete("p", f"{disk}p1")
        assert partitions(device) == {}
