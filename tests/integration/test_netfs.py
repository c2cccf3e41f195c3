"""Netfs pools through the agent, which mounts them itself. The share is a stand-in, which needs root."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import poolfleet
from poolfleet import Operation, Pool, PoolSpec, VolumeSpec
from poolfleet.types.operation import OperationState
from poolfleet.types.pool import PoolState
from poolfleet.types.pool_source import NetfsSource
from poolfleet.types.pool_spec import MountOwner
from poolfleet.types.probe import LayerOutcome, PoolProbe
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.nfs_server import NullNfsServer
from scripts.embedded.process import wait_until
from scripts.embedded.standin import NetfsStandIn
from tests.loop_device import told_by
from tests.netfs_pool import unmount

LIMIT_S = 30.0

if os.geteuid() == 0:

    @pytest.fixture
    def share(short_dir: Path) -> Iterator[NetfsStandIn]:
        with NetfsStandIn(short_dir / "nfs", host="127.0.0.1") as running:
            yield running

    @pytest.fixture
    def host(short_dir: Path, share: NetfsStandIn) -> Iterator[EmbeddedHost]:
        with EmbeddedHost("one", short_dir, share=share) as running:
            yield running

    @pytest.fixture
    def agent(host: EmbeddedHost) -> Iterator[poolfleet.AgentClient]:
        with poolfleet.AgentClient(host.agent.target) as client:
            yield client
            client.pools.stop("vm_data")
            client.pools.undefine("vm_data")

    def spec(host: EmbeddedHost, share: NetfsStandIn, server: NullNfsServer, path: str = "") -> PoolSpec:
        return PoolSpec.netfs(
            "vm_data",
            host=share.host,
            path=path or share.path,
            target=str(host.pools_dir / "vm_data"),
            options=["noatime", f"port={server.port}"],
        )

    def mounted(host: EmbeddedHost) -> bool:
        mounts = Path(f"/proc/{host.libvirtd.pid}/mounts").read_text()
        return f" {host.pools_dir}/vm_data " in mounts

    @pytest.mark.cell("netfs", "define", "build", "start", "volume", "erase")
    def test_a_share_is_defined_built_mounted_filled_and_erased(
        share: NetfsStandIn, server: NullNfsServer, host: EmbeddedHost, agent: poolfleet.AgentClient
    ) -> None:
        def by_virsh(*words: str) -> list[str]:
            return told_by("virsh", "--connect", host.libvirtd.uri, *words).split()

        asked = spec(host, share, server)
        agent.pools.define(asked)
        assert f"path='{share.path}'/>" in by_virsh("pool-dumpxml", "vm_data")
        agent.pools.build("vm_data")
        assert (host.pools_dir / "vm_data").is_dir()
        agent.pools.start("vm_data")
        assert mounted(host)
        assert not agent.pools.define(asked).changed
        assert agent.volumes.create("vm_data", VolumeSpec("v", capacity_bytes=1 << 20)).changed
        assert "v" in by_virsh("vol-list", "vm_data")
        assert [volume.name for volume in agent.volumes.list("vm_data", max_staleness_s=0)] == ["v"]
        agent.volumes.delete("vm_data", "v")
        assert "v" not in by_virsh("vol-list", "vm_data")
        agent.pools.stop("vm_data")
        assert not mounted(host)
        agent.pools.erase("vm_data")
        assert not (host.pools_dir / "vm_data").exists()

    def test_two_hosts_share_one_export(
        short_dir: Path, share: NetfsStandIn, server: NullNfsServer, host: EmbeddedHost, agent: poolfleet.AgentClient
    ) -> None:
        with (
            EmbeddedHost("two", short_dir, share=share) as other,
            poolfleet.AgentClient(other.agent.target) as second,
        ):
            pools = []
            for one, client in ((host, agent), (other, second)):
                assert set(client.pools.ensure(spec(one, share, server)).changes) >= {"defined", "started"}
                assert client.pools.ensure(spec(one, share, server)).changes == ()
                pools.append(client.pools.get("vm_data"))
            one_pool, other_pool = pools
            assert isinstance(one_pool.source, NetfsSource)
            assert one_pool.source.host == share.host
            assert one_pool.mount
            assert one_pool.mount.options == ("noatime", f"port={server.port}")
            assert one_pool.storage
            assert one_pool.storage == other_pool.storage

            agent.volumes.create("vm_data", VolumeSpec(name="a", capacity_bytes=1 << 20, allocation_bytes=0))
            second.pools.refresh("vm_data")
            assert second.volumes.get("vm_data", "a").capacity_bytes == 1 << 20
            agent.volumes.delete("vm_data", "a")
            agent.pools.stop("vm_data")
            assert not mounted(host)
            assert second.pools.get("vm_data", max_staleness_s=0).state is PoolState.RUNNING
            second.pools.stop("vm_data")
            assert not mounted(other)

    def test_a_server_that_comes_up_later_is_waited_for(
        share: NetfsStandIn, server: NullNfsServer, host: EmbeddedHost, agent: poolfleet.AgentClient
    ) -> None:
        server.close()
        agent.pools.define(spec(host, share, server))
        agent.pools.build("vm_data")
        started = agent.pools.start("vm_data", wait=False)

        def tried_twice() -> bool:
            return len(agent.operations.get(started.id).attempts) >= 2

        wait_until(tried_twice, limit_s=LIMIT_S, what="two attempts")
        assert not mounted(host)
        server.open()
        done = agent.operations.wait(started.id, timeout_s=LIMIT_S)
        assert done.state is OperationState.SUCCEEDED
        *failed, last = done.attempts
        assert {attempt.failure for attempt in failed} == {"CONNECTION_REFUSED"}
        assert all(attempt.retry_delay_s for attempt in failed)
        assert not last.failure
        assert mounted(host)

    def test_a_stop_ends_a_start_that_waits(
        share: NetfsStandIn, server: NullNfsServer, host: EmbeddedHost, agent: poolfleet.AgentClient
    ) -> None:
        server.close()
        agent.pools.define(spec(host, share, server))
        agent.pools.build("vm_data")
        started = agent.pools.start("vm_data", wait=False)

        def waiting() -> bool:
            attempts = agent.operations.get(started.id).attempts
            return len(attempts) >= 2 and bool(attempts[-1].retry_delay_s)

        wait_until(waiting, limit_s=LIMIT_S, what="a start that waits for its next attempt")
        agent.pools.stop("vm_data")
        assert agent.operations.get(started.id).state is OperationState.CANCELLED

    def test_a_share_that_cannot_be_mounted_ends_the_start_with_kind_and_advice(
        share: NetfsStandIn, server: NullNfsServer, host: EmbeddedHost, agent: poolfleet.AgentClient
    ) -> None:
        agent.pools.define(spec(host, share, server, path="/missing"))
        agent.pools.build("vm_data")
        with pytest.raises(poolfleet.FailedPrecondition) as refused:
            agent.pools.start("vm_data")
        assert refused.value.reason == "MOUNT_FAILED"
        assert refused.value.metadata["failure"] == "ACCESS_DENIED"
        assert "access denied by server" in refused.value.message
        assert "exportfs" in refused.value.message
        failed = agent.operations.get(refused.value.operation_id or "")
        assert len(failed.attempts) == 3
        assert not mounted(host)

    def test_what_was_mounted_before_is_used_and_never_undone(
        share: NetfsStandIn, server: NullNfsServer, host: EmbeddedHost, agent: poolfleet.AgentClient
    ) -> None:
        agent.pools.define(spec(host, share, server))
        target = host.pools_dir / "vm_data"
        target.mkdir(exist_ok=True)
        mount = host.libvirtd.surroundings.command(["mount", "-t", "nfs", share.source, str(target)])
        run(mount)
        agent.pools.start("vm_data")
        assert owner(agent) is MountOwner.FOREIGN
        with pytest.raises(poolfleet.FailedPrecondition) as refused:
            agent.pools.stop("vm_data")
        assert refused.value.reason == "MOUNT_NOT_OURS"
        assert mounted(host)
        unmount(host, target)

    def test_a_pool_tells_whether_the_agent_or_libvirt_mounted_its_share(
        share: NetfsStandIn, server: NullNfsServer, host: EmbeddedHost, agent: poolfleet.AgentClient
    ) -> None:
        agent.pools.ensure(spec(host, share, server), autostart=False)
        assert owner(agent) is MountOwner.AGENT
        agent.pools.stop("vm_data")
        assert owner(agent) is MountOwner.UNKNOWN
        run(["virsh", "--connect", host.libvirtd.uri, "pool-start", "vm_data"])
        wait_until(lambda: owner(agent) is MountOwner.LIBVIRT, limit_s=LIMIT_S, what="the pool is seen started")
        agent.pools.stop("vm_data")
        assert not mounted(host)

    def owner(agent: poolfleet.AgentClient) -> MountOwner:
        mount = agent.pools.get("vm_data").mount
        assert mount
        return mount.owner

    def failures(probe: PoolProbe) -> dict[str, str]:
        return {layer.layer: layer.failure for layer in probe.layers if layer.outcome is LayerOutcome.FAILED}

    def looked_at(probe: PoolProbe) -> set[str]:
        return {layer.layer for layer in probe.layers if layer.outcome is not LayerOutcome.SKIPPED}

    def test_a_pool_is_diagnosed_before_its_start_and_after(
        share: NetfsStandIn, server: NullNfsServer, host: EmbeddedHost, agent: poolfleet.AgentClient
    ) -> None:
        agent.pools.define(spec(host, share, server))
        agent.pools.build("vm_data")
        stopped = agent.pools.probe("vm_data", write_test=True)
        assert (failures(stopped), looked_at(stopped)) == ({}, {"dns", "tcp", "rpc"})
        assert not mounted(host)

        server.close()
        refused = agent.pools.probe("vm_data")
        assert failures(refused) == {"tcp": "CONNECTION_REFUSED"}
        assert "server runs" in refused.advice
        server.open()

        agent.pools.start("vm_data")
        started = agent.pools.probe("vm_data", write_test=True)
        assert failures(started) == {}
        assert looked_at(started) == {"dns", "tcp", "rpc", "mount", "squash", "read", "write"}
        assert started.users is not None
        # The stand-in takes root for root.
        assert (started.users.root_squashed, started.users.root_uid, started.users.libvirt_can_list) == (False, 0, True)
        agent.pools.refresh("vm_data")
        special = agent.volumes.list("vm_data", include_special=True)
        assert not [volume.name for volume in special]

    def run(command: list[str]) -> None:
        subprocess.run(command, check=True, timeout=60)

else:

    def test_a_netfs_pool_of_an_ordinary_user_is_defined_only(short_dir: Path) -> None:
        with EmbeddedHost("user", short_dir) as host, poolfleet.AgentClient(host.agent.target) as agent:
            target = str(host.pools_dir / "vm_data")
            defined: Operation = agent.pools.define(
                PoolSpec.netfs("vm_data", host="nfs.test", path="/export", target=target)
            )
            assert isinstance(defined.result, Pool)
            assert defined.result.source == NetfsSource(host="nfs.test", path="/export", format="nfs")
