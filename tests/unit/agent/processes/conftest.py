"""Children of a test, and who listens to their job."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from poolfleet_agent.model.operation import Progress
from poolfleet_agent.processes.child import Children

LIMIT_S = 30.0


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def waits(self) -> None:
        self.told.append("waits")

    async def begins(self) -> None:
        self.told.append("begins")

    async def progress(self, progress: Progress) -> None:
        self.told.append(f"{progress.done_bytes} of {progress.total_bytes}")


@pytest.fixture
async def children() -> AsyncIterator[Children]:
    children = Children()
    yield children
    await children.close()
