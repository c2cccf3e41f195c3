"""All cases of the benchmark, on a host of its own for each part."""

from __future__ import annotations

import asyncio
import subprocess
from dataclasses import dataclass
from pathlib import Path

from poolfleet.aio import AgentClient
from scripts.benchmarks.clones.cancels import Cancels
from scripts.benchmarks.clones.others import Others
from scripts.benchmarks.report import Result
from scripts.embedded.host import EmbeddedHost


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is measured: `rounds` of so many `clones`, after `quiet_s` without; so many `cancels` of each job."""

    clones: int
    clone_bytes: int
    rounds: int
    quiet_s: float
    cancels: int
    cancelled_bytes: int


def run(root: Path, effort: Effort) -> list[Result]:
    """Every case; raises poolfleet's errors and NotReadyError."""
    cancels = asyncio.run(_cancels(root, effort)) if effort.cancels else []
    return [*asyncio.run(_others(root, effort)), *cancels]


async def _others(root: Path, effort: Effort) -> list[Result]:
    with EmbeddedHost("host", root) as host:
        # When it is first asked, libvirtd asks every emulator what it can do, which keeps the machine busy.
        ask = ["virsh", "--quiet", "--connect", host.libvirtd.uri, "version"]
        await asyncio.to_thread(subprocess.run, ask, check=True, stdout=subprocess.DEVNULL, timeout=60)
        async with AgentClient(host.agent.target) as agent:
            return await Others(
                host=host,
                agent=agent,
                clones=effort.clones,
                data_bytes=effort.clone_bytes,
                rounds=effort.rounds,
                quiet_s=effort.quiet_s,
            ).run()


async def _cancels(root: Path, effort: Effort) -> list[Result]:
    with EmbeddedHost("long", root) as host:
        async with AgentClient(host.agent.target) as agent:
            cancels = Cancels(host=host, agent=agent, data_bytes=effort.cancelled_bytes, rounds=effort.cancels)
            return await cancels.run()
