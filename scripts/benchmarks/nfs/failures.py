"""Starts that fail: how long until who asked knows what is wrong, with its kind."""

from __future__ import annotations

import functools

from poolfleet import PoolfleetError
from poolfleet.aio import AgentClient
from poolfleet.types.retry import RetryPolicy
from scripts.benchmarks.figures import Figures
from scripts.benchmarks.nfs.place import Fault, Place, must, netfs_spec, netfs_words
from scripts.benchmarks.report import Result, say
from scripts.embedded.process import NotReadyError

POOL = "failing"
ONCE = RetryPolicy(attempts=1, deadline_s=120)


async def first_failures(place: Place, agent: AgentClient, *, rounds: int) -> list[Result]:
    """Start a pool that cannot be started, `rounds` times for each fault and system, faults interleaved."""
    measured: list[Figures] = []
    systems: dict[Fault, dict[str, Figures]] = {}
    for fault in Fault:
        names = ["poolfleet", "virsh"] if place.shows_virsh_failing else ["poolfleet"]
        systems[fault] = {name: Figures(case=fault, system=name, metric="first_failure", unit="s") for name in names}
        measured += systems[fault].values()
    for number in range(rounds):
        for fault, figures in systems.items():
            say(f"{fault}: {number + 1} of {rounds}")
            # One after the other, for libvirt has no two pools of one source.
            spec = netfs_spec(place, POOL, fault)
            await agent.pools.define(spec)
            await agent.pools.build(POOL)
            if "virsh" in figures:
                await must(place, *netfs_words(place, POOL, fault))
                await must(place, "pool-build", POOL)
            async with place.failing(fault):
                ours = figures["poolfleet"]
                await ours.time(functools.partial(_fail, agent, ours))
                if "virsh" in figures:
                    await figures["virsh"].time(functools.partial(_fail_by_virsh, place))
            # Or it would go on to be started by itself.
            await agent.pools.stop(POOL)
            await agent.pools.undefine(POOL)
            if "virsh" in figures:
                await must(place, "pool-undefine", POOL)
    return [figures.result() for figures in measured]


async def _fail(agent: AgentClient, figures: Figures) -> None:
    try:
        await agent.pools.start(POOL, retry=ONCE)
    except PoolfleetError as error:
        figures.failure = error.metadata.get("failure", error.reason)
    else:
        raise NotReadyError(f"{figures.case}: the pool started, although its server fails")


async def _fail_by_virsh(place: Place) -> None:
    if await place.virsh("pool-start", POOL) == 0:
        raise NotReadyError("virsh started a pool, although its server fails")
