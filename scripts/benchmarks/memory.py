"""How much memory an agent takes: with its children, many volumes, right after it looked at them."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from scripts.benchmarks.report import Result, say
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.process import NotReadyError

POOL = "many"
LOOKS = 3
VOLUME_BYTES = 1 << 20
LOOK_LIMIT_S = 300.0


def measure(host: EmbeddedHost, *, volumes: int) -> Result:
    """Fill a pool of `host` and look at it some times; the memory after each look, in MB of 10^6 bytes."""
    folder = host.pools_dir / POOL
    folder.mkdir()
    for number in range(volumes):
        path = folder / f"guest-{number:05}.raw"
        path.touch()
        os.truncate(path, VOLUME_BYTES)
    taken_mb = []
    for look in range(LOOKS):
        _in_a_process_that_ends(host.agent.target, folder)
        taken_mb.append(pss_bytes(host.agent.pid) / 1e6)
        say(f"agent_memory: look {look + 1} of {LOOKS} at {volumes} volumes: {taken_mb[-1]:.1f} MB")
    return Result.of("agent_memory", "poolfleet", "pss_with_children", "MB", taken_mb)


def pss_bytes(pid: int | None) -> int:
    """Proportional set size of a process and all its descendants; raises NotReadyError where it does not run."""
    if pid is None:
        raise NotReadyError("the agent has ended; its memory cannot be measured")
    total_kib = 0
    for member in family(pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for line in Path(f"/proc/{member}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total_kib += int(line.split()[1])
    return total_kib * 1024


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name in parentheses may hold spaces and parentheses itself.
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    family = [pid]
    for member in family:
        family += children.get(member, [])
    return family


def _in_a_process_that_ends(target: str, folder: Path) -> None:
    """Have the agent look from a process that is gone when memory is read: else it would share libraries with it."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as one:
        one.submit(_look, target, folder).result()


def _look(target: str, folder: Path) -> None:
    from poolfleet import AgentClient, PoolSpec

    with AgentClient(target, timeout_s=LOOK_LIMIT_S) as agent:
        agent.pools.ensure(PoolSpec.dir(POOL, target=str(folder)))
        agent.pools.refresh(POOL)
