"""What callers asked and what they were told: the side of the reckoning that does not trust the agent's records."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import uuid4

from poolfleet import Operation, PoolfleetError
from poolfleet.aio import AgentClient
from poolfleet.types.operation import OperationKind

ACCEPTED_WITHIN_S = 15.0
"""How long the library tries to get a change accepted."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Change:
    """One thing to be asked of the agent. Sizes say what becomes of a volume's capacity, `autostart` of a pool's."""

    kind: OperationKind
    pool: str
    volume: str = ""
    capacity_bytes: int | None = None
    delta_bytes: int | None = None
    autostart: bool | None = None
    send: Callable[..., Awaitable[Operation]]
    """Asks an agent for it, with the words that all mutations have in common."""


@dataclass(eq=False, slots=True)
class Asked:
    """A change with its request id, and all that was answered to it; nothing where no answer ever came."""

    change: Change
    request_id: str = field(default_factory=lambda: str(uuid4()))
    told: list[Operation] = field(default_factory=list)

    async def send(self, agent: AgentClient) -> Operation:
        """Ask, for the first time or again; the operation as first answered. Raises PoolfleetError."""
        return await self.change.send(agent, request_id=self.request_id, wait=False, timeout_s=ACCEPTED_WITHIN_S)


@dataclass
class Told:
    """All of it, and what was seen of codes."""

    asked: dict[str, Asked] = field(default_factory=dict)
    """By request id."""
    outcomes: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """What calls ended with, by kind: `changed`, `unchanged`, or code and reason."""
    unforeseen: list[str] = field(default_factory=list)
    """Errors that no table of the contract has."""

    def begin(self, change: Change) -> Asked:
        """Note that something is asked, before it is."""
        asked = Asked(change)
        self.asked[asked.request_id] = asked
        return asked

    def answered(self, asked: Asked, operation: Operation) -> None:
        """Note how an operation stood in an answer."""
        asked.told.append(operation)
        if operation.ended:
            what = ("changed" if operation.changed else "unchanged") if operation.error is None else ""
            self.outcomes[asked.change.kind][what or self._named(asked.change.kind, operation.error)] += 1

    def refused(self, kind: str, error: PoolfleetError) -> None:
        """Note what a call was refused with."""
        self.outcomes[kind][self._named(kind, error)] += 1

    def _named(self, kind: str, error: PoolfleetError | None) -> str:
        if error is None:
            return "unknown"
        if error.code in {"INTERNAL", "UNKNOWN"}:
            self.unforeseen.append(f"{kind}: {error}")
        return f"{error.code} {error.reason}"
