"""Sixteen shares of one server fall silent under refreshes, while fifty clients call everything: nobody waits, nothing
grows, at most two of libvirt's calls hang; and force frees it all while the server is still silent.
"""

from __future__ import annotations

import asyncio
import math
import os
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from poolfleet import PoolSpec, Unavailable, VolumeSpec
from poolfleet.aio import AgentClient
from poolfleet.types.operation import Operation, OperationState
from poolfleet.types.pool import HealthStatus, PoolState
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.nfs_server import NullNfsServer
from scripts.embedded.silent_share import SilentShare
from tests.raw_agent import eventually
from tests.silent_host import (
    LIMIT_S,
    QUICK_SETTINGS,
    at_once,
    hanging_refreshes,
    libvirt_calls,
    libvirt_calls_settle,
    mounts_found_dead,
    virsh_answers,
    virsh_hangs,
)

CLIENTS = 50
STORM_S = 20.0
SETTLED_S = 5.0
SAMPLES = 10
SAMPLED_EVERY_S = 0.1
MIB = 1 << 20

# One server, whose name and address are spelt by eight pools each.
SOURCES = [f"{'127.0.0.1' if number % 2 else 'localhost'}:/export{number}" for number in range(16)]
POOLS = [f"far{number}" for number in range(16)]

MOST_STUCK = 2
MOST_OF_THE_LIVING = 2
"""Where libvirt is slow there are two calls about the living pool at any moment: at it, and beside it at its volume."""
MOST_GROWTH_BYTES = 32 * MIB
MOST_NEW_DESCRIPTORS = 20
MOST_NEW_THREADS = 8
"""Some come to be with the first work that is done beside other work, and stay; not one for each client or call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What an agent takes of its host."""

    threads: int
    children: int
    descriptors: int
    resident_bytes: int

    @classmethod
    def of(cls, pid: int) -> Size:
        process = Path(f"/proc/{pid}")
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        children = "".join((task / "children").read_text() for task in (process / "task").iterdir())
        return cls(
            threads=int(status["Threads"]),
            children=len(children.split()),
            descriptors=len(list((process / "fd").iterdir())),
            resident_bytes=int(status["VmRSS"].split()[0]) * 1024,
        )


if os.geteuid() == 0:

    @pytest.fixture
    def shares(host_folder: Path) -> Iterator[SilentShare]:
        host, _, path = SOURCES[0].partition(":")
        with SilentShare(host_folder / "share", host=host, path=path, more=SOURCES[1:]) as running:
            yield running

    @pytest.fixture
    def crowded(host_folder: Path, shares: SilentShare, metrics_port: int) -> Iterator[EmbeddedHost]:
        settings = QUICK_SETTINGS | {"metrics": {"listen": f"127.0.0.1:{metrics_port}"}}
        with EmbeddedHost("h", host_folder, share=shares, settings=settings) as running:
            yield running
            shares.heal()

    @pytest.fixture
    async def client(crowded: EmbeddedHost, server: NullNfsServer) -> AsyncIterator[AgentClient]:
        """The agent of a host with a pool on each of the shares, and `near` on its own disk, all started."""
        async with AgentClient(crowded.agent.target) as client:
            specs = [PoolSpec.dir("near", target=str(crowded.pools_dir / "near"))]
            for name, source in zip(POOLS, SOURCES, strict=True):
                host, _, path = source.partition(":")
                target, options = str(crowded.pools_dir / name), [f"port={server.port}"]
                specs.append(PoolSpec.netfs(name, host=host, path=path, target=target, options=options))
            for spec in specs:
                await client.pools.ensure(spec)
            await client.volumes.create("near", VolumeSpec("there", capacity_bytes=MIB, allocation_bytes=0))
            yield client

    async def call_everything(client: AgentClient, until_s: float) -> float:
        """What one client does; the answer is its longest wait, in seconds."""
        longest_s = 0.0
        while time.monotonic() < until_s:
            pool = random.choice(POOLS)
            began_s = time.monotonic()
            assert (await at_once(client.pools.get(pool, max_staleness_s=0))).state is PoolState.RUNNING
            assert len([one async for one in client.pools.list()]) == len(POOLS) + 1
            await at_once(client.volumes.read_all(pool, max_staleness_s=0))
            for change in (
                client.pools.refresh(pool),
                client.pools.stop(pool),
                client.volumes.create(pool, VolumeSpec("new", capacity_bytes=MIB)),
            ):
                with pytest.raises(Unavailable) as refused:
                    await at_once(change)
                assert refused.value.reason == "POOL_UNRESPONSIVE"
            await at_once(client.pools.get("near", max_staleness_s=0))
            await at_once(client.volumes.get("near", "there", max_staleness_s=0))
            longest_s = max(longest_s, time.monotonic() - began_s)
        return longest_s

    async def fewest_calls(port: int) -> float:
        """How many calls to libvirt there are all the time: the agent's own looks come and go."""
        fewest = math.inf
        for _ in range(SAMPLES):
            fewest = min(fewest, (await asyncio.to_thread(libvirt_calls, port))["in_flight"])
            await asyncio.sleep(SAMPLED_EVERY_S)
        return fewest

    async def all_dead(client: AgentClient) -> bool:
        dead = [pool async for pool in client.pools.list(health=[HealthStatus.UNRESPONSIVE])]
        return len(dead) == len(POOLS)

    async def test_a_storm_over_sixteen_dead_shares_of_one_server(
        client: AgentClient, shares: SilentShare, crowded: EmbeddedHost, metrics_port: int
    ) -> None:
        pid = crowded.agent.pid
        assert pid is not None
        shares.silence()
        begun = await asyncio.gather(
            *(client.pools.refresh(pool, wait=False) for pool in POOLS), return_exceptions=True
        )
        refreshes = [operation for operation in begun if isinstance(operation, Operation)]
        with hanging_refreshes(crowded, *POOLS[:MOST_STUCK]):
            await eventually(lambda: all_dead(client), limit_s=LIMIT_S, what="all shares are found unresponsive")
            await mounts_found_dead(metrics_port, len(POOLS) + len(SOURCES))  # the server's own mounts too
            async with AsyncExitStack() as ends:
                clients = [await ends.enter_async_context(AgentClient(crowded.agent.target)) for _ in range(CLIENTS)]
                began_s = time.monotonic()
                storm = [asyncio.create_task(call_everything(one, began_s + STORM_S)) for one in clients]
                await asyncio.sleep(SETTLED_S)
                asked = shares.waiting_count()
                before, stuck = Size.of(pid), await fewest_calls(metrics_port)
                longest_s = max(await asyncio.gather(*storm))
            after = Size.of(pid)
            print(f"longest round of calls {longest_s:.2f} s; {before} → {after}; libvirt {stuck}; waiting {asked}")
            await libvirt_calls_settle(metrics_port, stuck_most=MOST_STUCK)
            assert stuck <= MOST_STUCK + MOST_OF_THE_LIVING
            assert shares.waiting_count() == asked, "no file-system call was made for them"
            assert after.threads - before.threads <= MOST_NEW_THREADS

            async def no_child_is_left() -> bool:
                return Size.of(pid).children <= before.children

            await eventually(no_child_is_left, limit_s=LIMIT_S, what="there are no more children than before")
            assert after.descriptors - before.descriptors <= MOST_NEW_DESCRIPTORS
            assert after.resident_bytes - before.resident_bytes <= MOST_GROWTH_BYTES
            assert await asyncio.to_thread(virsh_answers, crowded, "pool-refresh", "near")
            await virsh_hangs(crowded, "pool-list")

            began_s = time.monotonic()
            await asyncio.gather(*(client.pools.stop(pool, force=True) for pool in POOLS))
        print(f"got rid of all in {time.monotonic() - began_s:.1f} s")
        assert await asyncio.to_thread(virsh_answers, crowded, "pool-list", "--all")
        ended = [await client.operations.get(refresh.id) for refresh in refreshes]
        assert OperationState.RUNNING not in {operation.state for operation in ended}
        await libvirt_calls_settle(metrics_port)
