"""The benchmark `list`: a pool of many volumes with all their details, and the agent's memory with it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from scripts.benchmarks import memory
from scripts.benchmarks.report import Result
from scripts.embedded.host import EmbeddedHost


def run(root: Path, *, rounds: int, volumes: int) -> list[Result]:
    """All cases on one host."""
    with EmbeddedHost("host", root) as host:
        memory_taken = memory.measure(host, volumes=volumes)
        # Not before: gRPC's library, mapped here too, would count for the agent only in part.
        from scripts.benchmarks.whole_pool import timings

        return [*asyncio.run(timings(host, rounds)), memory_taken]
