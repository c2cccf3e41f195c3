"""One soak from begin to end: load and faults side by side, quiet, the walk, the reckoning, the report."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

from poolfleet import Operation, PoolfleetError, PoolSpec
from poolfleet.aio import AgentClient
from scripts.benchmarks.report import machine, say, versions
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.nfs_server import NullNfsServer
from scripts.embedded.process import NotReadyError
from scripts.embedded.standin import NetfsStandIn
from scripts.soaking import reckoning, walk
from scripts.soaking.callers import Caller
from scripts.soaking.changes import Choices, define
from scripts.soaking.faults import Faults
from scripts.soaking.reckoning import Findings
from scripts.soaking.told import Asked, Told

CALLERS = 12
WARM_UP_S = 5.0
AGENT_SPARED_SHARE = 0.35
"""Of the time, at its end, in which the agent is left alone: what it leaks must have time to show."""

QUIET_LIMIT_S = 120.0
CLEAN_LIMIT_S = 60.0
REPLAYED_AT_ONCE = 8
SETTINGS = {"staleness_s": 10, "limits": {"drain_s": 3, "max_jobs": 3}, "libvirt": {"call_timeout_s": 15}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The host, and its pools."""

    host: EmbeddedHost
    filled: tuple[PoolSpec, ...]
    idle: tuple[PoolSpec, ...]

    def folder(self, pool: PoolSpec) -> Path:
        """Where a pool has its files."""
        return self.host.pools_dir / pool.name


@contextmanager
def place_in(root: Path, *, with_share: bool) -> Iterator[Place]:
    """A host below `root`; with a network pool on a stand-in's share where that can be had, which needs root."""
    with ExitStack() as ends:
        share = ends.enter_context(NetfsStandIn(root / "share", host="127.0.0.1")) if with_share else None
        server = ends.enter_context(NullNfsServer())
        host = EmbeddedHost("h", root, share=share, settings=SETTINGS)
        # Where it crashes, its log says in whose code.
        host.libvirtd.surroundings.env["PYTHONFAULTHANDLER"] = "1"
        ends.enter_context(host)
        # At its first connections libvirtd asks every emulator what it can do, which keeps the machine busy.
        subprocess.run(
            ["virsh", "--connect", host.libvirtd.uri, "version"], check=True, stdout=subprocess.DEVNULL, timeout=60
        )
        filled = [PoolSpec.dir(name, target=str(host.pools_dir / name)) for name in ("local", "other")]
        if share is not None:
            options = [f"port={server.port}"]
            target = str(host.pools_dir / "share")
            filled.append(PoolSpec.netfs("share", host=share.host, path=share.path, target=target, options=options))
        idle = [PoolSpec.dir(name, target=str(host.pools_dir / name)) for name in ("idle1", "idle2")]
        yield Place(host=host, filled=tuple(filled), idle=tuple(idle))


async def soak(place: Place, *, seconds: float, seed: int) -> dict[str, Any]:
    """The report."""
    random, told, findings = Random(seed), Told(), Findings()
    async with AgentClient(place.host.agent.target) as agent:
        for spec in place.filled:
            # By a change that is noted, so that the pool is one that was told of.
            told.answered(asked := told.begin(define(spec)), await asked.send(agent))
            await agent.pools.ensure(spec)
        await _load(place, told, random, WARM_UP_S)
        await _quiet(agent)
        await _all_started(place, agent)
        begin = await asyncio.to_thread(walk.agent_figures, place.host)
        faults = Faults(place.host, random)
        say(f"soak: {seconds:g} s with {CALLERS} callers")
        await _load(place, told, random, seconds, faults)
        began_s = time.monotonic()
        await _quiet(agent)
        quiet_s = time.monotonic() - began_s
        say(f"soak: quiet after {quiet_s:.1f} s; {len(told.asked)} requests were made")
        await _replay(agent, told, findings)
        await _all_started(place, agent)
        end = await _settled_figures(place.host, begin)
        await _clean_after_restart(place, agent, findings)
        await _as_meant(place, agent)
        recorded = [operation async for operation in agent.operations.list(page_size=1000)]
        await _reckon(place, agent, told, recorded, findings)
    reckoning.reckon_figures(begin, end, len(recorded), findings)
    await asyncio.to_thread(place.host.agent.stop)
    reckoning.reckon_state(told, recorded, walk.state(place.host), findings)
    findings.leaked += [f"process {line}" for line in await _processes_that_stay(place.host)]
    log = place.host.agent.log.read_text()
    told.unforeseen += faults.unforeseen
    told.unforeseen += [line for line in log.splitlines() if "Traceback (" in line or "unforeseen" in line]
    return {
        "name": "soak",
        "seconds": seconds,
        "seed": seed,
        "machine": machine(),
        "versions": versions(),
        "callers": CALLERS,
        "requests": len(told.asked),
        "quiet_s": round(quiet_s, 1),
        "operations": {kind: dict(sorted(counts.items())) for kind, counts in sorted(told.outcomes.items())},
        "faults": dict(sorted(faults.done.items())),
        "agent": {"begin": asdict(begin), "end": asdict(end)},
        "lost": findings.lost,
        "doubled": findings.doubled,
        "leaked": findings.leaked,
        "unforeseen": told.unforeseen,
    }


async def _load(place: Place, told: Told, random: Random, seconds: float, faults: Faults | None = None) -> None:
    """So many seconds of all callers, and of faults where there are any."""
    ends, agent_spared = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.call_later(seconds, ends.set)
    loop.call_later(seconds * (1 - AGENT_SPARED_SHARE), agent_spared.set)
    async with asyncio.TaskGroup() as group:
        for _ in range(CALLERS):
            own = Random(random.random())
            choices = Choices(random=own, filled=place.filled, idle=place.idle)
            group.create_task(Caller(place.host.agent.target, choices, told, own).run(ends))
        if faults is not None:
            group.create_task(faults.of_libvirtd(ends))
            group.create_task(faults.of_agent(agent_spared))
            group.create_task(faults.revive_agent(ends))


async def _quiet(agent: AgentClient) -> None:
    """Return when the agent has libvirt, and nothing is at work; raises NotReadyError."""

    async def still() -> bool:
        try:
            about = await agent.get()
            working = [one async for one in agent.operations.list() if not one.ended]
        except PoolfleetError:
            return False
        return about.registry_loaded and about.libvirt_connected and not working

    await _until(still, QUIET_LIMIT_S, "the agent comes to rest")


async def _until(ready: Any, limit_s: float, what: str) -> None:
    try:
        async with asyncio.timeout(limit_s):
            while not await ready():  # noqa: ASYNC110  what is asked for is another process's
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise NotReadyError(f"{what}: not within {limit_s:g} s") from None


async def _replay(agent: AgentClient, told: Told, findings: Findings) -> None:
    """Each request that has an operation is answered with that one again, and nothing is done."""
    at_once = asyncio.Semaphore(REPLAYED_AT_ONCE)

    async def once_more(asked: Asked, first: Operation) -> None:
        async with at_once:
            again = await asked.send(agent)
        if again.id != first.id:
            findings.doubled.append(f"request {asked.request_id} ({first.kind}) is answered by another operation now")

    async with asyncio.TaskGroup() as group:
        for asked in list(told.asked.values()):
            if asked.told:
                group.create_task(once_more(asked, asked.told[0]))


async def _settled_figures(host: EmbeddedHost, begin: walk.AgentFigures) -> walk.AgentFigures:
    """What the agent takes once its children of the last work are gone, for which it has some time."""
    deadline_s = time.monotonic() + CLEAN_LIMIT_S
    while (now := await asyncio.to_thread(walk.agent_figures, host)).children > begin.children:
        if time.monotonic() > deadline_s:
            break
        await asyncio.sleep(0.2)
    return now


async def _processes_that_stay(host: EmbeddedHost) -> list[str]:
    """What of the agent's is there still some time after its end: what it has killed has to go first."""
    deadline_s = time.monotonic() + CLEAN_LIMIT_S
    while left := await asyncio.to_thread(walk.processes_of, host, but=[host.libvirtd.pid or 0]):
        if time.monotonic() > deadline_s:
            break
        await asyncio.sleep(0.2)
    return left


async def _clean_after_restart(place: Place, agent: AgentClient, findings: Findings) -> None:
    """Restart the agent, which then removes what it left where libvirt might have gone on; and start all pools."""
    await asyncio.to_thread(place.host.agent.stop)
    await asyncio.to_thread(place.host.agent.start)
    await _quiet(agent)
    await _all_started(place, agent)

    async def clean() -> bool:
        return not any(
            name.startswith(walk.OWN_PREFIX)
            for spec in place.filled
            for name in walk.files_in(place.host, place.folder(spec))
        )

    try:
        await _until(clean, CLEAN_LIMIT_S, "the agent has removed its own files")
    except NotReadyError as error:
        findings.leaked.append(str(error))
    await _all_started(place, agent)


async def _as_meant(place: Place, agent: AgentClient) -> None:
    """Let the supervisor bring up what is meant to be started; what it does not is told by the reckoning."""

    async def active() -> bool:
        recorded = [operation async for operation in agent.operations.list(page_size=1000)]
        found = await asyncio.to_thread(walk.pools, place.host)
        return reckoning.wanted_active(recorded) <= {name for name, pool in found.items() if pool.active}

    with suppress(NotReadyError):
        await _until(active, CLEAN_LIMIT_S, "what was started is active")


async def _all_started(place: Place, agent: AgentClient) -> None:
    """Have every pool that holds volumes started and refreshed, so that their volumes can be compared."""
    for spec in place.filled:
        await agent.pools.start(spec.name)
        await agent.pools.refresh(spec.name)


async def _reckon(place: Place, agent: AgentClient, told: Told, recorded: list[Operation], findings: Findings) -> None:
    host = place.host
    reckoning.reckon_records(told, recorded, findings)
    known = reckoning.histories(told, recorded)
    by_virsh = await asyncio.to_thread(walk.pools, host)
    reckoning.reckon_pools(known, by_virsh, reckoning.wanted_active(recorded), findings)
    for spec in place.filled:
        listing = await agent.volumes.read_all(spec.name, max_staleness_s=0)
        reckoning.reckon_volumes(
            spec.name,
            known,
            files=walk.files_in(place.host, place.folder(spec)),
            by_virsh=await asyncio.to_thread(walk.volumes, host, spec.name),
            by_agent={volume.name: volume.capacity_bytes for volume in listing.volumes},
            findings=findings,
        )
        if (layers := walk.mounts_on(host, place.folder(spec))) > 1:
            findings.leaked.append(f"{layers} mounts on the target of {spec.name}")
    reckoning.gather(known.values(), findings)
