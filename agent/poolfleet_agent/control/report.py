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

    def progress(self, progress: Progress) -> None:
        """Tell how far it is."""
        self.journal.tell(self.operation_id, lambda known: replace(known, progress=progress))

    def waits(self) -> None:
        """Tell that it waits for its turn."""
        self._become(OperationState.PENDING)

    async def begins(self) -> None:
        """Tell that it is at work, after it had to wait."""
        self._become(OperationState.RUNNING)

    def commits(self) -> None:
        """Tell that it is too late to cancel: what comes now is seen by others, and must not be told as undone."""
        self.journal.tell(self.operation_id, lambda known: replace(known, cancellable=False))

    async def warn(self, warning: str) -> None:
        """Add a warning, once."""
        await self.journal.change(
            self.operation_id,
            lambda known: replace(known, warnings=tuple(dict.fromkeys((*known.warnings, warning)))),
        )

    def _become(self, state: OperationState) -> None:
        self.journal.tell(self.operation_id, lambda known: replace(known, state=state))

    def owes_files(self) -> None:
        """Note that files of the operation's own may stay, though nobody is at work for it: they are to be removed."""
        self.journal.owes_files(self.operation_id)

    def runs(self, operation_id: str) -> bool:
        """Whether an operation of this agent has not ended yet; what is not known, or forgotten, has."""
        return self.journal.runs(operation_id)
