"""What work tells of itself while it goes on: it lands in the operation's record, for watchers and for later."""

from dataclasses import dataclass, replace

from poolfleet_agent.control.journal import Journal
from poolfleet_agent.model.operation import Attempt


@dataclass(frozen=True, kw_only=True)
class Report:
    """The way from one operation's work to its record."""

    journal: Journal
    operation_id: str

    async def attempts(self, attempts: tuple[Attempt, ...]) -> None:
        """Record all tries so far."""
        await self.journal.change(self.operation_id, lambda known: replace(known, attempts=attempts))

    def runs(self, operation_id: str) -> bool:
        """Whether an operation of this agent has not ended yet; what is not known, or forgotten, has."""
        return self.journal.runs(operation_id)
