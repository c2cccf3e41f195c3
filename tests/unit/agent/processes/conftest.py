"""Children of a test, and who listens to their job."""

from __future__ import annotations

from poolfleet_agent.model.operation import Progress

LIMIT_S = 30.0


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def waits(self) -> None:
        self.told.append("waits")

    async def begins(self) -> None:
        self.told.append("begins")

    def progress(self, progress: Progress) -> None:
        self.told.append(f"{progress.done_bytes} of {progress.total_bytes}")
