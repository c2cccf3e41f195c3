"""What an agent holds: memory, objects, tasks, descriptors, threads, and rows of its state directory."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path

from scripts.benchmarks.memory import pss_bytes
from scripts.embedded.agent import EmbeddedAgent
from scripts.embedded.process import wait_until
from tests.fuzz.counted_agent import Counts
from tests.stored_state import stored_state

MEASURE_LIMIT_S = 30.0

MOST_PSS_BYTES = 24 << 20
"""By how much memory may grow in a run of any length: what allocators and caches settle to."""
MOST_BLOCKS, MOST_BLOCKS_PER_MESSAGE = 1000, 0.05
"""Python's objects, each of which is at least one block. One kept for each message would be 1 per message."""
MOST_MORE = {"tasks": 4, "descriptors": 12, "threads": 14, "rows": 40}


@dataclass(frozen=True, kw_only=True)
class Held:
    """At one moment, when the agent has nothing to do. `blocks`: Python's objects and their parts."""

    pss_bytes: int
    blocks: int
    tasks: int
    descriptors: int
    threads: int
    rows: int

    def grown_too_much(self, since: Held, messages: int) -> list[str]:
        """What grew more than it may over so many messages."""
        grown = {name: getattr(self, name) - getattr(since, name) for name in self.__dataclass_fields__}
        bounds = {**MOST_MORE, "pss_bytes": MOST_PSS_BYTES, "blocks": MOST_BLOCKS + MOST_BLOCKS_PER_MESSAGE * messages}
        return [f"{name} by {grown[name]}, of {bounds[name]:g}" for name in grown if grown[name] > bounds[name]]


def held_by(agent: EmbeddedAgent) -> Held:
    """Measure an agent that runs as `counted_agent`."""
    pid = agent.pid
    assert pid is not None, "the agent has ended"
    counts = Counts.path_beside(agent.config)
    counts.unlink(missing_ok=True)
    agent.send(signal.SIGUSR1)
    wait_until(counts.exists, limit_s=MEASURE_LIMIT_S, what="the agent counts what it holds")
    counted = Counts.read(counts)
    return Held(
        pss_bytes=pss_bytes(pid),
        blocks=counted.blocks,
        tasks=counted.tasks,
        descriptors=sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()),
        threads=sum(1 for _ in Path(f"/proc/{pid}/task").iterdir()),
        rows=sum(_rows(agent.state_dir).values()),
    )


def _rows(state_dir: Path) -> dict[str, int]:
    """By table."""
    with stored_state(state_dir) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in tables}  # noqa: S608
