"""The benchmark `rpc`: single reads, and the agent's memory with many volumes."""

from __future__ import annotations

import asyncio
from pathlib import Path

from scripts.benchmarks import memory
from scripts.benchmarks.report import Result
from scripts.embedded.host import EmbeddedHost


def run(root: Path, *, calls: int, volumes: int) -> list[Result]:
    """All cases, on hosts of their own: `calls` of each kind, and the memory with so many `volumes`."""
    with EmbeddedHost("full", root) as host:
        memory_taken = memory.measure(host, volumes=volumes)
    # Not before: gRPC's library, mapped here too, would count for the agent only in part.
    from scripts.benchmarks.echo import echo_server
    from scripts.benchmarks.reads import latencies

    with EmbeddedHost("host", root) as host, echo_server(root) as echo_target:
        return [*asyncio.run(latencies(host, echo_target, calls)), memory_taken]
