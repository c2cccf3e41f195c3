"""A mounted share falls silent: its pool is told of as it was, the rest of the host works, and it heals by itself."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from poolfleet import FailedPrecondition, PoolfleetError, PoolSpec, Unavailable, VolumeSpec
from poolfleet.aio import AgentClient
from poolfleet.types.pool import Desired, HealthStatus, PoolState
from poolfleet.types.probe import LayerOutcome
from poolfleet.types.volume import BackingStore
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.nfs_server import NullNfsServer
from scripts.embedded.silent_share import SilentShare
from tests.netfs_pool import netfs_pool
from tests.raw_agent import eventually
from tests.silent_host import (
    LIMIT_S,
    QUICK_SETTINGS,
    at_once,
    hanging_refreshes,
    libvirt_calls_settle,
    looked_at_all,
    metrics,
    mounts_found_dead,
    virsh_answers,
    virsh_hangs,
)

PROBE_S = 15.0
"""Far longer than a server is waited for by a diagnosis."""

STORM = 50
MIB = 1 << 20

if os.geteuid() == 0:

    @pytest.fixture
    def share(host_folder: Path) -> Iterator[SilentShare]:
        with SilentShare(host_folder / "share", host="127.0.0.1") as running:
            yield running

    @pytest.fixture
    def quick_host(host_folder: Path, share: SilentShare, metrics_port: int) -> Iterator[EmbeddedHost]:
        settings = QUICK_SETTINGS | {"metrics": {"listen": f"127.0.0.1:{metrics_port}"}}
        with EmbeddedHost("h", host_folder, share=share, settings=settings) as running:
            yield running
            share.heal()

    @pytest.fixture
    async def client(
        quick_host: EmbeddedHost, share: SilentShare, server: NullNfsServer, metrics_port: int
    ) -> AsyncIterator[AgentClient]:
        """The agent of a host with two pools that are started: `far` on the share, `near` on the host's own disk."""
        folder = quick_host.pools_dir
        async with AgentClient(quick_host.agent.target) as client:
            far = netfs_pool("far", quick_host, share, server)
            for spec in (far, PoolSpec.dir("near", target=str(folder / "near"))):
                await client.pools.ensure(spec)
                await client.volumes.create(spec.name, VolumeSpec("there", capacity_bytes=MIB, allocation_bytes=0))
            await looked_at_all(client, metrics_port)
            yield client

    async def health(client: AgentClient, pool: str) -> HealthStatus | None:
        found = (await at_once(client.pools.get(pool))).health
        return found.status if found else None

    async def fall_silent(client: AgentClient, share: SilentShare, port: int) -> None:
        """Return when both mounts of the share, the server's own in this namespace and the pool's, are found dead."""
        share.silence()
        await mounts_found_dead(port, 2)
        assert await health(client, "far") is HealthStatus.UNRESPONSIVE

    async def heal(client: AgentClient, share: SilentShare) -> None:
        share.heal()

        async def healthy() -> bool:
            return await health(client, "far") is HealthStatus.HEALTHY

        await eventually(healthy, limit_s=LIMIT_S, what="the share is found healthy")

    async def test_the_dead_pool_is_told_of_as_it_was_and_no_call_is_made_for_it(
        client: AgentClient, share: SilentShare, metrics_port: int
    ) -> None:
        await fall_silent(client, share, metrics_port)
        # The probe's two questions, sizes and names, for each of its two mounts in this namespace: the server's own,
        # and the pool's. Names are asked for where sizes were answered: silence may fall in between.
        waiting = share.waiting_count()
        assert waiting <= 4

        async def storm() -> None:
            for answer in (
                client.pools.get("far", max_staleness_s=0),
                client.volumes.get("far", "there", max_staleness_s=0),
                client.volumes.read_all("far", max_staleness_s=0),
            ):
                await at_once(answer)
            for change in (
                client.pools.refresh("far"),
                client.pools.stop("far"),
                client.volumes.create("far", VolumeSpec("new", capacity_bytes=MIB)),
                client.volumes.delete("far", "there"),
            ):
                with pytest.raises(Unavailable) as refused:
                    await at_once(change)
                assert refused.value.reason == "POOL_UNRESPONSIVE"

        await asyncio.gather(*(storm() for _ in range(STORM)))
        assert share.waiting_count() == waiting
        await libvirt_calls_settle(metrics_port)
        far = await client.pools.get("far")
        assert far.state is PoolState.RUNNING
        await heal(client, share)
        assert (await client.volumes.get("far", "there", max_staleness_s=0)).capacity_bytes == MIB
        await client.volumes.delete("far", "there")

    async def test_other_pools_work_as_before(client: AgentClient, share: SilentShare, metrics_port: int) -> None:
        await fall_silent(client, share, metrics_port)
        await at_once(client.pools.refresh("near"))
        await at_once(client.volumes.create("near", VolumeSpec("new", capacity_bytes=MIB, allocation_bytes=0)))
        await at_once(client.volumes.delete("near", "new"))
        assert {pool.name async for pool in client.pools.list()} == {"far", "near"}
        assert await health(client, "near") is HealthStatus.HEALTHY

    async def test_a_refresh_in_flight_hangs_alone(client: AgentClient, share: SilentShare, metrics_port: int) -> None:
        share.silence()
        refresh = asyncio.create_task(client.pools.refresh("far", wait=False))
        await fall_silent(client, share, metrics_port)
        await asyncio.gather(
            *(at_once(client.pools.get("far", max_staleness_s=0)) for _ in range(STORM)),
            *(at_once(client.pools.get("near", max_staleness_s=0)) for _ in range(STORM)),
        )
        await libvirt_calls_settle(metrics_port, stuck_most=1)
        await asyncio.wait([refresh], timeout=LIMIT_S)
        await heal(client, share)
        await asyncio.gather(refresh, return_exceptions=True)

    async def test_its_diagnosis_comes_soon_and_does_not_touch_it(
        client: AgentClient, share: SilentShare, server: NullNfsServer, metrics_port: int
    ) -> None:
        well = await client.pools.probe("far", write_test=True)
        outcomes = {layer.layer: layer.outcome for layer in well.layers}
        assert outcomes.pop("export") is LayerOutcome.SKIPPED  # version 4 has none
        assert set(outcomes.values()) == {LayerOutcome.OK}, well
        assert not list(share.files.glob(".poolfleet-probe*"))

        server.silent = True
        await fall_silent(client, share, metrics_port)
        waiting = share.waiting_count()
        async with asyncio.timeout(PROBE_S):
            ill = await client.pools.probe("far", write_test=True)
        failures = {layer.layer: layer.failure for layer in ill.layers if layer.outcome is LayerOutcome.FAILED}
        assert failures == {"rpc": "TIMED_OUT", "mount": "POOL_UNRESPONSIVE"}
        assert ill.failure == "TIMED_OUT"
        assert share.waiting_count() == waiting
        server.silent = False
        await heal(client, share)

    async def test_no_share_is_started_beside_a_dead_mount_that_is_no_pool(
        client: AgentClient, share: SilentShare, quick_host: EmbeddedHost, metrics_port: int
    ) -> None:
        bystander = quick_host.pools_dir / "bystander"
        bystander.mkdir()
        command = quick_host.libvirtd.surroundings.command(
            ["mount", "--bind", str(share.root / "export"), str(bystander)]
        )
        subprocess.run(command, check=True, timeout=LIMIT_S)
        await client.pools.stop("far")
        share.silence()
        await mounts_found_dead(metrics_port, 2)
        told = (
            f'poolfleet_network_mount_health{{health="UNRESPONSIVE",source="{share.source}",target="{bystander}"}} 1.0'
        )

        async def of_the_bystander() -> bool:
            return told in metrics(metrics_port)

        await eventually(of_the_bystander, limit_s=LIMIT_S, what="the bystander is found dead")
        with pytest.raises(FailedPrecondition) as refused:
            await at_once(client.pools.start("far"))
        assert refused.value.reason == "HOST_MOUNT_UNRESPONSIVE"
        assert refused.value.metadata["mount"] in {str(bystander), str(share.root / "export")}
        await at_once(client.pools.stop("near"))
        await at_once(client.pools.start("near"))

    async def test_a_share_that_is_got_rid_of_by_force_frees_libvirt_while_it_is_still_silent(
        client: AgentClient, share: SilentShare, quick_host: EmbeddedHost, metrics_port: int
    ) -> None:
        share.silence()
        refresh = asyncio.create_task(client.pools.refresh("far"))
        with hanging_refreshes(quick_host, "far"):
            await fall_silent(client, share, metrics_port)
            await virsh_hangs(quick_host, "pool-list", "--all")
            async with asyncio.timeout(LIMIT_S):
                stopped = await client.pools.stop("far", force=True)
        assert stopped.changed
        assert await asyncio.to_thread(virsh_answers, quick_host, "pool-list", "--all")
        with pytest.raises(PoolfleetError):
            await refresh
        far = await at_once(client.pools.get("far", max_staleness_s=0))
        assert far.state is PoolState.INACTIVE
        assert far.desired_state is not None
        assert far.desired_state.desired is Desired.STOPPED
        await libvirt_calls_settle(metrics_port)
        assert str(quick_host.pools_dir / "far") not in Path(f"/proc/{quick_host.agent.pid}/mounts").read_text()
        assert not (await at_once(client.pools.stop("far", force=True))).changed

    async def test_a_refresh_of_a_local_pool_that_hangs_on_a_chain_fails_and_nobody_else_waits(
        client: AgentClient, share: SilentShare, quick_host: EmbeddedHost, metrics_port: int
    ) -> None:
        backing = BackingStore(path=str(quick_host.pools_dir / "far/there"), format="raw")
        spec = VolumeSpec("upper", format="qcow2", capacity_bytes=MIB, backing_store=backing)
        await client.volumes.create("near", spec)
        share.silence()
        refresh = asyncio.create_task(client.pools.refresh("near"))
        await fall_silent(client, share, metrics_port)
        with pytest.raises(Unavailable) as refused:
            await at_once(refresh)
        assert refused.value.reason == "POOL_UNRESPONSIVE"
        near = await asyncio.gather(
            *(at_once(client.pools.get("near", max_staleness_s=0)) for _ in range(STORM)),
            *(at_once(client.volumes.read_all("near", max_staleness_s=0)) for _ in range(STORM)),
        )
        assert len(near) == 2 * STORM
        with pytest.raises(Unavailable):
            await at_once(client.volumes.create("near", VolumeSpec("new", capacity_bytes=MIB)))
        await libvirt_calls_settle(metrics_port, stuck_most=2)
        async with asyncio.timeout(LIMIT_S):
            await client.pools.stop("far", force=True)
        assert await asyncio.to_thread(virsh_answers, quick_host, "pool-list", "--all")
        await client.volumes.create("near", VolumeSpec("new", capacity_bytes=MIB, allocation_bytes=0))

    async def test_of_a_local_pool_only_the_volume_that_lies_on_the_dead_share_is_left_alone(
        client: AgentClient, share: SilentShare, quick_host: EmbeddedHost, metrics_port: int
    ) -> None:
        pools = quick_host.pools_dir
        (pools / "images").symlink_to(pools / "far")
        for name, base in (("straight", pools / "far/there"), ("linked", pools / "images/there")):
            backing = BackingStore(path=str(base), format="raw")
            spec = VolumeSpec(name, format="qcow2", capacity_bytes=MIB, backing_store=backing)
            await client.volumes.create("near", spec)
        await client.pools.refresh("near")
        await looked_at_all(client, metrics_port)
        await fall_silent(client, share, metrics_port)
        waiting = share.waiting_count()
        for name in ("straight", "linked"):
            with pytest.raises(Unavailable) as refused:
                await at_once(client.volumes.delete("near", name, allow_in_use=True))
            assert refused.value.reason == "POOL_UNRESPONSIVE"
            assert (await at_once(client.volumes.get("near", name))).name == name
        with pytest.raises(Unavailable):
            await at_once(client.pools.refresh("near"))
        listed = await at_once(client.volumes.read_all("near", max_staleness_s=0))
        assert {volume.name for volume in listed.volumes} == {"there", "straight", "linked"}
        await at_once(client.volumes.create("near", VolumeSpec("new", capacity_bytes=MIB, allocation_bytes=0)))
        await at_once(client.volumes.delete("near", "new"))
        assert share.waiting_count() == waiting
        await libvirt_calls_settle(metrics_port)
        assert await asyncio.to_thread(virsh_answers, quick_host, "pool-list")
        await heal(client, share)
        await client.pools.refresh("near")

    async def test_an_agent_that_starts_beside_a_dead_share_and_a_stuck_libvirt_answers_and_gets_rid_of_it(
        client: AgentClient, share: SilentShare, quick_host: EmbeddedHost, metrics_port: int
    ) -> None:
        await client.pools.refresh("far")
        await looked_at_all(client, metrics_port)
        share.silence()
        with hanging_refreshes(quick_host, "far"):
            await fall_silent(client, share, metrics_port)
            await asyncio.to_thread(quick_host.agent.kill9)
            await asyncio.to_thread(quick_host.agent.start)
            async with AgentClient(quick_host.agent.target) as anew:
                seen = {pool.name async for pool in anew.pools.list()}
                assert seen == {"far", "near"}
                assert (await at_once(anew.volumes.get("far", "there"))).capacity_bytes == MIB
                await fall_silent(anew, share, metrics_port)
                await libvirt_calls_settle(metrics_port, stuck_most=1)
                async with asyncio.timeout(LIMIT_S):
                    await anew.pools.stop("far", force=True)
            assert await asyncio.to_thread(virsh_answers, quick_host, "pool-list", "--all")
