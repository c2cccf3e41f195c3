"""A dir pool that was seen on a mount is not to be written, started or built where the bare folder shows."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import poolfleet
from poolfleet import Operation, PoolSpec, VolumeSpec
from poolfleet.types.pool import PoolState
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.process import wait_until
from scripts.embedded.standin import NetfsStandIn
from tests.netfs_pool import unmount

LIMIT_S = 60.0
MIB = 1 << 20

if os.geteuid() == 0:

    class Fstab:
        """A host where an administrator mounts a share, on which a dir pool `d` lies with one volume."""

        def __init__(self, host: EmbeddedHost, share: NetfsStandIn, agent: poolfleet.AgentClient) -> None:
            self.host, self.share, self.agent = host, share, agent
            self.folder = host.pools_dir / "share"
            self.folder.mkdir()

        def mount(self) -> None:
            self._run("mount", "-t", "nfs", self.share.source, str(self.folder))

        def unmount(self) -> None:
            unmount(self.host, self.folder)

        def _run(self, *words: str) -> None:
            subprocess.run(self.host.libvirtd.surroundings.command(list(words)), check=True, timeout=LIMIT_S)

        def state(self) -> PoolState:
            return self.agent.pools.get("d", max_staleness_s=0).state

        def refused(self, change: Callable[[], Operation]) -> str:
            with pytest.raises(poolfleet.FailedPrecondition) as error:
                change()
            assert list(self.folder.iterdir()) == [], "nothing is written below the mount"
            return error.value.reason

    @pytest.fixture
    def fstab(short_dir: Path) -> Iterator[Fstab]:
        with (
            tempfile.TemporaryDirectory(dir=short_dir, prefix="f") as folder,
            NetfsStandIn(Path(folder) / "nfs", host="127.0.0.1") as share,
            EmbeddedHost("h", Path(folder), share=share) as host,
            poolfleet.AgentClient(host.agent.target) as agent,
        ):
            fstab = Fstab(host, share, agent)
            fstab.mount()
            agent.pools.ensure(PoolSpec.dir("d", target=str(fstab.folder / "images")))
            agent.volumes.create("d", VolumeSpec("v", capacity_bytes=MIB, allocation_bytes=0))
            yield fstab

    def test_writes_are_refused_while_the_mount_is_gone_and_pass_when_it_is_back(fstab: Fstab) -> None:
        agent = fstab.agent
        fstab.unmount()
        assert fstab.refused(lambda: agent.volumes.create("d", VolumeSpec("w", capacity_bytes=MIB))) == "UNMOUNTED"
        assert fstab.refused(lambda: agent.volumes.delete("d", "v")) == "UNMOUNTED"
        fstab.mount()
        agent.volumes.create("d", VolumeSpec("w", capacity_bytes=MIB))
        agent.volumes.delete("d", "v")

    def test_it_is_neither_started_nor_built_nor_erased(fstab: Fstab) -> None:
        agent = fstab.agent
        agent.volumes.delete("d", "v")
        agent.pools.stop("d")
        fstab.unmount()
        for change in (agent.pools.start, agent.pools.build, agent.pools.erase):
            assert fstab.refused(lambda change=change: change("d")) == "UNMOUNTED"  # type: ignore[misc]
        fstab.mount()
        agent.pools.start("d")
        assert fstab.state() is PoolState.RUNNING

    def test_what_libvirtd_starts_on_the_bare_folder_is_not_written(fstab: Fstab) -> None:
        """After its restart libvirtd has dir pools started that were not, whatever lies at their targets."""
        agent = fstab.agent
        agent.pools.stop("d")
        fstab.unmount()
        # libvirt finds the folder, for somebody has made it.
        (fstab.folder / "images").mkdir()
        fstab.host.libvirtd.kill9()
        fstab.host.libvirtd.restart()
        wait_until(
            lambda: agent.pools.get("d").state is PoolState.RUNNING, limit_s=LIMIT_S, what="libvirtd has it started"
        )
        with pytest.raises(poolfleet.FailedPrecondition, match="UNMOUNTED"):
            agent.volumes.create("d", VolumeSpec("w", capacity_bytes=MIB))
        assert list((fstab.folder / "images").iterdir()) == []
