"""A netfs pool through the agent; libvirt mounts it. The share is a stand-in, which needs root."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import poolfleet
from poolfleet import Pool, PoolSpec, VolumeSpec
from poolfleet.types.pool import NetfsSource, PoolState
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.standin import NetfsStandIn

if os.geteuid() == 0:

    def test_two_hosts_share_one_export(short_dir: Path) -> None:
        with (
            NetfsStandIn(short_dir / "nfs") as share,
            EmbeddedHost("one", short_dir, share=share) as one,
            EmbeddedHost("two", short_dir, share=share) as two,
            poolfleet.AgentClient(one.agent.target) as first,
            poolfleet.AgentClient(two.agent.target) as second,
        ):
            pools = []
            for host, agent in ((one, first), (two, second)):
                target = host.pools_dir / "vm_data"
                spec = PoolSpec.netfs(
                    "vm_data", host=share.host, path=share.path, target=str(target), options=["noatime"]
                )
                assert set(agent.pools.ensure(spec).changes) >= {"defined", "started"}
                assert agent.pools.ensure(spec).changes == ()
                pools.append(agent.pools.get("vm_data"))
            one_pool, other_pool = pools
            assert isinstance(one_pool.source, NetfsSource)
            assert one_pool.source.host == share.host
            assert one_pool.mount
            assert one_pool.mount.options == ("noatime",)
            assert one_pool.storage
            assert one_pool.storage == other_pool.storage

            first.volumes.create("vm_data", VolumeSpec(name="a", capacity_bytes=1 << 20, allocation_bytes=0))
            second.pools.refresh("vm_data")
            assert second.volumes.get("vm_data", "a").capacity_bytes == 1 << 20
            first.pools.stop("vm_data")
            assert second.pools.get("vm_data", max_staleness_s=0).state is PoolState.RUNNING

    def test_a_share_that_cannot_be_mounted_says_so(short_dir: Path) -> None:
        with (
            NetfsStandIn(short_dir / "nfs3") as share,
            EmbeddedHost("three", short_dir, share=share) as host,
            poolfleet.AgentClient(host.agent.target) as agent,
        ):
            target = str(host.pools_dir / "vm_data")
            agent.pools.define(PoolSpec.netfs("vm_data", host=share.host, path="/missing", target=target))
            agent.pools.build("vm_data")
            with pytest.raises(poolfleet.FailedPrecondition) as refused:
                agent.pools.start("vm_data")
            assert refused.value.reason == "MOUNT_FAILED"
            assert "access denied by server" in refused.value.message
            assert refused.value.operation_id

else:

    def test_a_netfs_pool_of_an_ordinary_user_is_defined_only(short_dir: Path) -> None:
        with EmbeddedHost("user", short_dir) as host, poolfleet.AgentClient(host.agent.target) as agent:
            target = str(host.pools_dir / "vm_data")
            defined = agent.pools.define(PoolSpec.netfs("vm_data", host="nfs.test", path="/export", target=target))
            assert isinstance(defined.result, Pool)
            assert defined.result.source == NetfsSource(host="nfs.test", path="/export", format="nfs")
