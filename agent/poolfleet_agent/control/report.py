"""What work tells of itself while it goes on: it lands in the operation's record, for watchers and for later."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from poolfleet_agent.control.journal import Journal
from poolfleet_agent.model.operation import Attempt, OperationState, Progress


async def _overtook_nobody() -> None:
    return


@dataclass(frozen=True, kw_only=True)
class Report:
    """The way from one operation's work to its record. `alone` waits until the operations that this one overtook have
    ended; who waits sets a limit."""

    journal: Journal
    operation_id: str
    alone: Callable[[], Awaitable[None]] = _overtook_nobody

    async def attempts(self, attempts: tuple[Attempt, ...]) -> None:
        """Record all tries so far."""
        await self.journal.change(self.operation_id, lambda known: replace(known, attempts=attempts))

    async def progress(self, progress: Progress) -> None:
        """Record how far it is."""
        await self.journal.change(self.operation_id, lambda known: replace(known, progress=progress))

    async def waits(self) -> None:
        """Record that it waits for its turn."""
        await self._become(OperationState.PENDING)

    async def begins(self) -> None:
        """Record that it is at work, after it had to wait."""
        await self._become(OperationState.RUNNING)

    async def commits(self) -> None:
        """Record that it is too late to cancel: what comes now is seen by others, and must not be told as undone."""
        await self.journal.change(self.operation_id, lambda known: replace(known, cancellable=False))

    async def warn(self, warning: str) -> None:
        """Add a warning, once."""
        await self.journal.change(
            self.operation_id,
            lambda known: replace(known, warnings=tuple(dict.fromkeys((*known.warnings, warning)))),
        )

    async def _become(self, state: OperationState) -> None:
        await self.journal.change(self.operation_id, lambda known: replace(known, state=state))

    def owes_files(self) -> None:
        """Note that files of the operation's own may stay, though nobody is at work for it: they are to be removed."""
        self.journal.owes_files(self.operation_id)

    def runs(self, operation_id: str) -> bool:
        """Whether an operation of this agent has not ended yet; what is not known, or forgotten, has."""
        return self.journal.runs(operation_id)
