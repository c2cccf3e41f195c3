"""The pools of both hosts that are used while all is well, and while the share is silent; and starts of the share's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from poolfleet import PoolSpec, VolumeSpec
from poolfleet.aio import AgentClient
from scripts.benchmarks.figures import Figures
from scripts.benchmarks.nfs.place import Place, must, netfs_spec, netfs_words
from scripts.benchmarks.report import Result, say

FAR = "far"
"""On the share."""
NEAR = tuple(f"near{number}" for number in range(4))
"""Each a directory of the host's own."""
VOLUME = "there"
"""What each of them holds."""
VOLUME_BYTES = 1 << 20


@asynccontextmanager
async def pools(place: Place, agent: AgentClient) -> AsyncIterator[None]:
    """Within the block both hosts have all of them, each with its volume; those near are active, FAR is not."""
    await agent.pools.ensure(netfs_spec(place, FAR))
    for name in NEAR:
        await agent.pools.ensure(PoolSpec.dir(name, target=f"{place.pools_dir}/{name}"))
        await must(place, "pool-define-as", name, "dir", "--target", f"{place.plain_pools_dir}/{name}")
        await must(place, "pool-build", name)
        await must(place, "pool-start", name)
        await must(place, "vol-create-as", name, VOLUME, f"{VOLUME_BYTES}B", "--allocation", "0")
    for name in (FAR, *NEAR):
        await agent.volumes.create(name, VolumeSpec(VOLUME, capacity_bytes=VOLUME_BYTES, allocation_bytes=0))
    await agent.pools.stop(FAR)
    await must(place, *netfs_words(place, FAR))
    await must(place, "pool-build", FAR)
    yield
    await agent.pools.start(FAR)
    for name in (FAR, *NEAR):
        await agent.volumes.delete(name, VOLUME)
        await agent.pools.stop(name)
        await agent.pools.undefine(name)
    for name in NEAR:
        await must(place, "vol-delete", VOLUME, name)
        await must(place, "pool-destroy", name)
        await must(place, "pool-undefine", name)
    await must(place, "pool-undefine", FAR)


async def healthy_starts(place: Place, agent: AgentClient, *, rounds: int) -> list[Result]:
    """Start and stop the share's pool by each system in turn; how long each start took."""
    ours = Figures(case="healthy_start", system="poolfleet", metric="start", unit="s")
    peer = Figures(case="healthy_start", system="virsh", metric="start", unit="s")
    for number in range(rounds):
        say(f"healthy_start: {number + 1} of {rounds}")
        await ours.time(lambda: agent.pools.start(FAR))
        await agent.pools.stop(FAR)
        await peer.time(lambda: must(place, "pool-start", FAR))
        await must(place, "pool-destroy", FAR)
    return [ours.result(), peer.result()]
