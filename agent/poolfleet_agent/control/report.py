"""What work tells of itself while it goes on: it lands in the operation's record, for watchers and for later."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Self

from poolfleet_agent.control.journal import Journal
from poolfleet_agent.model.operation import Attempt, OperationState, Progress


async def _nothing() -> None:
    return


@dataclass(frozen=True, kw_only=True)
class Report:
    """The way from one operation's work to its record. `alone` waits until the operations that this one overtook have
    ended; who waits sets a limit. `ask_again` ends a job that had to wait for its turn, by what it raises."""

    journal: Journal
    operation_id: str
    alone: Callable[[], Awaitable[None]] = _nothing
    ask_again: Callable[[], Awaitable[None]] = _nothing

    async def attempts(self, attempts: tuple[Attempt, ...]) -> None:
        """Record all tries so far."""
        await self.journal.change(self.operation_id, lambda known: replace(known, attempts=attempts))

    def progress(self, progress: Progress) -> None:
        """Tell how far it is."""
        self.journal.tell(self.operation_id, lambda known: replace(known, progress=progress))

    def waits(self) -> None:
        """Tell that it waits for its turn."""
        self._become(OperationState.PENDING)

    def asking_again(self, ask: Callable[[], Awaitable[None]]) -> Self:
        """The same, for work whose conditions may have ceased to hold when its turn comes."""
        return replace(self, ask_again=ask)

    async def begins(self) -> None:
        """Tell that it is at work, after it had to wait."""
        await self.ask_again()
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
