"""A start that is cut off at any point, by a kill or by an unmount behind its back: the next one holds, nothing stays.

What lies below the target is seen from outside of the host's mounts: nothing may ever be written there.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import poolfleet
from poolfleet import VolumeSpec
from poolfleet.types.pool import HealthStatus, PoolState
from poolfleet.types.pool_spec import MountOwner
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.nfs_server import NullNfsServer
from scripts.embedded.process import wait_until
from scripts.embedded.standin import NetfsStandIn
from tests.faults.cut_agent import CUT_FILE
from tests.netfs_pool import mount_ids, netfs_pool
from tests.stored_state import stored_state

LIMIT_S = 60.0
MIB = 1 << 20

POINTS = ("lane", "probe", "record", "child", "mount", "proof", "create", "settle", "publish")
"""Each comes before or after a step of a start (cut_agent)."""

TOLD = {"create": {"UNMOUNTED"}, "settle": {"", "UNMOUNTED"}, "publish": {"", "UNMOUNTED"}}
"""Reasons of a start whose share is unmounted at a point, empty: it holds. At others the share is mounted once more.

In the end the look at the pool may still find that nothing is there.
"""

if os.geteuid() == 0:

    class Cut:
        """A host with one pool on a share, whose agent can be cut off."""

        def __init__(self, host: EmbeddedHost, share: NetfsStandIn, server: NullNfsServer) -> None:
            self.host = host
            self.target = host.pools_dir / "vm"
            self.file = host.root / "cut"
            self.client = poolfleet.AgentClient(host.agent.target)
            self.spec = netfs_pool("vm", host, share, server)

        def arm(self, words: str) -> None:
            """Say what is to happen, all at once: the agent looks at any time."""
            new = self.file.with_suffix(".new")
            new.write_text(words)
            new.replace(self.file)

        def layers(self) -> int:
            return len(mount_ids(self.host, "vm"))

        def strays(self) -> list[str]:
            """Processes of the host that are neither libvirtd's nor the agent's; emulators are libvirtd's."""
            owners = {self.host.libvirtd.pid, self.host.agent.pid}
            found = []
            for pid in self.host.libvirtd.surroundings.pids():
                with contextlib.suppress(OSError):
                    stat = Path(f"/proc/{pid}/stat").read_text()
                    parent = int(stat.rpartition(")")[2].split()[1])
                    if not {pid, parent} & owners and "(qemu" not in stat:
                        found.append(stat)
            return found

        def healthy(self) -> bool:
            pool = self.client.pools.get("vm", max_staleness_s=0)
            status = pool.health.status if pool.health else None
            return pool.state is PoolState.RUNNING and status is HealthStatus.HEALTHY and self.layers() == 1

        def healthy_by_itself(self) -> bool:
            """As healthy, while libvirt may be away."""
            with contextlib.suppress(poolfleet.Unavailable):
                return self.healthy()
            return False

        def is_the_agents(self) -> bool:
            mount = self.client.pools.get("vm", max_staleness_s=0).mount
            return mount is not None and mount.owner is MountOwner.AGENT

        def records(self) -> list[tuple[str, int]]:
            """Targets that the agent's state knows mounts of, and whether they are only tried."""
            with stored_state(self.host.agent.state_dir) as state:
                return list(state.execute("SELECT target, attempting FROM mount"))

        def reason_of_start(self) -> str:
            try:
                self.client.pools.start("vm")
            except poolfleet.PoolfleetError as error:
                return error.reason
            return ""

        def check_whole(self) -> None:
            """The pool works, on one mount of the agent's, and nothing else is left."""
            assert self.layers() == 1
            wait_until(lambda: not self.strays(), limit_s=LIMIT_S, what="no process is left over")
            wait_until(self.is_the_agents, limit_s=LIMIT_S, what="the mount is the agent's")
            self.client.volumes.create("vm", VolumeSpec("v", capacity_bytes=MIB, allocation_bytes=0))
            self.client.volumes.delete("vm", "v")
            assert list(self.target.iterdir()) == []
            whole = [(str(self.target), 0)]
            wait_until(
                lambda: self.records() == whole, limit_s=LIMIT_S, what="the record is no more that of an attempt"
            )
            self.client.pools.stop("vm")
            assert (self.layers(), self.records()) == (0, [])
            self.client.pools.undefine("vm")

    @pytest.fixture(scope="module")
    def cut(short_dir: Path) -> Iterator[Cut]:
        with (
            tempfile.TemporaryDirectory(dir=short_dir, prefix="c") as made,
            NullNfsServer() as server,
            NetfsStandIn(Path(made) / "nfs", host="127.0.0.1") as share,
            pytest.MonkeyPatch.context() as patch,
        ):
            folder = Path(made)
            folder.chmod(0o755)
            host = EmbeddedHost("h", folder, share=share, settings={"mount": {"probe_interval_s": 1.0}})
            cut = Cut(host, share, server)
            patch.setitem(host.libvirtd.surroundings.env, CUT_FILE, str(cut.file))
            host.agent.program = (str(Path(__file__).with_name("cut_agent.py")),)
            with host, cut.client:
                yield cut

    @pytest.fixture(autouse=True)
    def defined(cut: Cut) -> None:
        cut.client.pools.define(cut.spec)
        if not cut.target.exists():
            cut.client.pools.build("vm")

    @pytest.mark.parametrize("point", POINTS)
    def test_the_agent_is_killed(cut: Cut, point: str) -> None:
        cut.arm(f"{point} kill")
        with contextlib.suppress(poolfleet.PoolfleetError):
            cut.client.pools.start("vm", wait=False, timeout_s=5)
        wait_until(lambda: cut.host.agent.pid is None, limit_s=LIMIT_S, what=f"the agent is killed at {point}")
        assert cut.layers() <= 1
        cut.host.agent.start()
        cut.host.agent.wait_loaded()
        # A person's start, or the supervisor's, which it joins or comes after.
        cut.client.pools.start("vm")
        wait_until(cut.healthy, limit_s=LIMIT_S, what="the pool works")
        cut.check_whole()

    @pytest.mark.parametrize("point", POINTS)
    def test_the_share_is_unmounted(cut: Cut, point: str) -> None:
        cut.arm(f"{point} unmount {cut.target}")
        assert cut.reason_of_start() in TOLD.get(point, {""})
        assert not cut.file.exists(), "the point was reached"
        assert list(cut.target.iterdir()) == []
        wait_until(cut.healthy, limit_s=LIMIT_S, what="the pool works")
        cut.check_whole()

    @pytest.mark.parametrize("point", ["child", "mount", "proof", "create"])
    def test_libvirtd_is_killed(cut: Cut, point: str) -> None:
        cut.arm(f"{point} kill {cut.host.libvirtd.pid}")
        cut.client.pools.start("vm", wait=False)
        wait_until(lambda: cut.host.libvirtd.pid is None, limit_s=LIMIT_S, what=f"libvirtd is killed at {point}")
        cut.host.libvirtd.restart()
        wait_until(cut.healthy_by_itself, limit_s=LIMIT_S, what="the pool works")
        cut.check_whole()
