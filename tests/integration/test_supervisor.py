"""Pools come to be what they are meant to be, by themselves; and stay as they are under maintenance."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import poolfleet
from poolfleet import Operation, PoolSpec, VolumeSpec
from poolfleet.types.pool import Desired, HealthStatus, PoolState
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.nfs_server import NullNfsServer
from scripts.embedded.process import wait_until
from scripts.embedded.standin import NetfsStandIn
from tests.netfs_pool import mount_ids, netfs_pool, unmount
from tests.virsh import virsh

LIMIT_S = 60.0


@pytest.fixture
def agent(host: EmbeddedHost) -> Iterator[poolfleet.AgentClient]:
    with poolfleet.AgentClient(host.agent.target) as client:
        yield client


def wait_for(agent: poolfleet.AgentClient, pool: str, state: PoolState) -> None:
    def there() -> bool:
        return agent.pools.get(pool).state is state

    wait_until(there, limit_s=LIMIT_S, what=f"pool {pool} is {state}")


def desired(agent: poolfleet.AgentClient, pool: str) -> Desired | None:
    state = agent.pools.get(pool).desired_state
    return state.desired if state else None


def test_a_pool_that_was_started_comes_back_when_its_folder_does(
    host: EmbeddedHost, agent: poolfleet.AgentClient
) -> None:
    folder = host.pools_dir / "p"
    agent.pools.ensure(PoolSpec.dir("p", target=str(folder)))
    folder.rmdir()
    with pytest.raises(poolfleet.PoolfleetError):
        agent.pools.refresh("p")
    assert agent.pools.get("p").state is PoolState.INACTIVE
    assert desired(agent, "p") is Desired.STARTED
    folder.mkdir()
    wait_for(agent, "p", PoolState.RUNNING)
    assert {operation.caller for operation in agent.operations.list()} == {"unix", "supervisor"}


def test_so_does_one_that_a_person_had_just_restarted(host: EmbeddedHost, agent: poolfleet.AgentClient) -> None:
    folder = host.pools_dir / "p"
    agent.pools.ensure(PoolSpec.dir("p", target=str(folder)))
    virsh(host, "pool-destroy", "p")
    virsh(host, "pool-start", "p")
    folder.rmdir()
    with pytest.raises(poolfleet.PoolfleetError):
        agent.pools.refresh("p")
    folder.mkdir()
    wait_for(agent, "p", PoolState.RUNNING)
    assert desired(agent, "p") is Desired.STARTED


def test_what_a_person_stops_on_the_host_stays_stopped(host: EmbeddedHost, agent: poolfleet.AgentClient) -> None:
    agent.pools.ensure(PoolSpec.dir("p", target=str(host.pools_dir / "p")))
    virsh(host, "pool-destroy", "p")
    wait_until(lambda: desired(agent, "p") is Desired.STOPPED, limit_s=LIMIT_S, what="the stop is taken for meant")
    assert agent.pools.get("p", max_staleness_s=0).state is PoolState.INACTIVE
    assert not [operation for operation in agent.operations.list() if operation.caller == "supervisor"]


def test_under_maintenance_nothing_is_started_and_it_outlives_the_agent(
    host: EmbeddedHost, agent: poolfleet.AgentClient
) -> None:
    folder = host.pools_dir / "p"
    agent.pools.ensure(PoolSpec.dir("p", target=str(folder)))
    until = datetime.now(UTC) + timedelta(hours=1)
    said = agent.set_maintenance(enabled=True, reason="new disks", until=until).maintenance
    assert (said.enabled, said.reason, said.until) == (True, "new disks", until)
    host.agent.stop()
    host.agent.start()
    host.agent.wait_looked()
    assert agent.get().maintenance == said

    folder.rmdir()
    with pytest.raises(poolfleet.PoolfleetError):
        agent.pools.refresh("p")
    folder.mkdir()
    agent.pools.ensure(PoolSpec.dir("witness", target=str(host.pools_dir / "witness")))
    assert agent.pools.get("p").state is PoolState.INACTIVE
    assert not agent.set_maintenance(enabled=False).maintenance.enabled
    wait_for(agent, "p", PoolState.RUNNING)


def test_maintenance_that_makes_no_sense_is_refused(agent: poolfleet.AgentClient) -> None:
    for wrong in ({"enabled": True, "until": datetime(2020, 1, 1, tzinfo=UTC)}, {"enabled": False, "reason": "why"}):
        with pytest.raises(poolfleet.InvalidArgument):
            agent.set_maintenance(**wrong)  # type: ignore[arg-type]


if os.geteuid() == 0:

    def test_a_share_comes_up_by_itself_after_its_server_does(short_dir: Path) -> None:
        with (
            NullNfsServer() as server,
            NetfsStandIn(short_dir / "nfs", host="127.0.0.1") as share,
            EmbeddedHost("s", short_dir, share=share) as host,
            poolfleet.AgentClient(host.agent.target) as agent,
        ):
            agent.pools.define(netfs_pool("vm_data", host, share, server))
            agent.pools.build("vm_data")
            server.close()
            agent.pools.start("vm_data", wait=False)
            host.agent.kill9()
            host.agent.start()
            host.agent.wait_looked()
            server.open()
            wait_for(agent, "vm_data", PoolState.RUNNING)
            agent.pools.stop("vm_data")
            assert desired(agent, "vm_data") is Desired.STOPPED

    @pytest.fixture
    def shared(short_dir: Path) -> Iterator[tuple[EmbeddedHost, poolfleet.AgentClient]]:
        """A host with the pool `vm_data` on a share, started and with one volume."""
        with (
            tempfile.TemporaryDirectory(dir=short_dir, prefix="u") as folder,
            NullNfsServer() as server,
            NetfsStandIn(Path(folder) / "nfs", host="127.0.0.1") as share,
            EmbeddedHost("u", Path(folder), share=share, settings={"mount": {"probe_interval_s": 1.0}}) as host,
            poolfleet.AgentClient(host.agent.target) as agent,
        ):
            agent.pools.ensure(netfs_pool("vm_data", host, share, server))
            agent.volumes.create("vm_data", VolumeSpec("v", capacity_bytes=1 << 20, allocation_bytes=0))
            yield host, agent

    def on_host(host: EmbeddedHost, *words: str) -> None:
        subprocess.run(host.libvirtd.surroundings.command(list(words)), check=True, timeout=LIMIT_S)

    def layers(host: EmbeddedHost) -> int:
        return len(mount_ids(host, "vm_data"))

    def health(agent: poolfleet.AgentClient) -> tuple[HealthStatus | None, str]:
        found = agent.pools.get("vm_data").health
        return (found.status, found.reason) if found else (None, "")

    def wait_healthy(host: EmbeddedHost, agent: poolfleet.AgentClient) -> None:
        def whole() -> bool:
            return layers(host) == 1 and health(agent) == (HealthStatus.HEALTHY, "")

        wait_until(whole, limit_s=LIMIT_S, what="the pool is whole again")
        assert agent.volumes.get("vm_data", "v", max_staleness_s=0).capacity_bytes == 1 << 20

    def test_a_share_that_is_unmounted_behind_its_back_is_mounted_again(
        shared: tuple[EmbeddedHost, poolfleet.AgentClient],
    ) -> None:
        host, agent = shared
        agent.set_maintenance(enabled=True)
        on_host(host, "umount", "-l", str(host.pools_dir / "vm_data"))
        wait_until(lambda: health(agent)[1] == "UNMOUNTED", limit_s=LIMIT_S, what="that is seen")
        with pytest.raises(poolfleet.FailedPrecondition, match="UNMOUNTED"):
            agent.volumes.create("vm_data", VolumeSpec("new", capacity_bytes=1 << 20))
        agent.set_maintenance(enabled=False)
        wait_healthy(host, agent)
        assert list((host.pools_dir / "vm_data").iterdir()) == []
        assert desired(agent, "vm_data") is Desired.STARTED
        (healing,) = [operation for operation in agent.operations.list() if operation.caller == "supervisor"]
        assert agent.operations.wait(healing.id, timeout_s=LIMIT_S).changed

    def test_a_start_mounts_the_lost_share_of_a_started_pool_too(
        shared: tuple[EmbeddedHost, poolfleet.AgentClient],
    ) -> None:
        host, agent = shared
        agent.set_maintenance(enabled=True)
        on_host(host, "umount", "-l", str(host.pools_dir / "vm_data"))
        assert agent.pools.start("vm_data").changed
        wait_healthy(host, agent)

    def test_another_share_on_the_target_is_left_alone_and_nothing_is_done_to_it(
        shared: tuple[EmbeddedHost, poolfleet.AgentClient],
    ) -> None:
        host, agent = shared
        target = str(host.pools_dir / "vm_data")
        real_mount = host.root.parent / "nfs/mount.real"  # the host's own has one share only
        on_host(host, str(real_mount), "-t", "tmpfs", "127.0.0.1:/other", target)
        wait_until(lambda: health(agent)[1] == "WRONG_SHARE", limit_s=LIMIT_S, what="that is seen")
        changes: tuple[Callable[[], Operation], ...] = (
            lambda: agent.volumes.create("vm_data", VolumeSpec("new", capacity_bytes=1 << 20)),
            lambda: agent.volumes.delete("vm_data", "v"),
            lambda: agent.pools.start("vm_data"),
        )
        for change in changes:
            with pytest.raises(poolfleet.FailedPrecondition, match="WRONG_SHARE"):
                change()
        assert layers(host) == 2
        unmount(host, Path(target))
        wait_healthy(host, agent)
