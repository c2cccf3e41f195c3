"""What came of a call to many hosts: one outcome for each, and what they come to together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

from poolfleet.types.errors import PoolfleetError

T = TypeVar("T")


class Status(StrEnum):
    """How one host did."""

    OK = "ok"
    CHANGED = "changed"
    """Ended well, and something was done."""
    UNCHANGED = "unchanged"
    """Ended well: all was as asked already."""
    FAILED = "failed"
    """The host answered, with an error; or did not end in the time that it was given."""
    UNREACHABLE = "unreachable"
    """No connection, or no answer on it. What was asked may have been done all the same."""
    SKIPPED = "skipped"
    """Never asked: too many hosts before it had failed."""


WELL = frozenset({Status.OK, Status.CHANGED, Status.UNCHANGED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(Generic[T]):
    """What came of the call on one host."""

    host: str
    status: Status
    value: T | None = None
    """What the call returned; None unless it ended well."""
    error: PoolfleetError | None = None
    """Set where it failed or the host is unreachable. An exception of another kind is its `__cause__`."""
    duration_s: float = 0.0
    """From the first word to the host to the end; what was waited before, for a place among the calls, is not in it."""
    as_of: datetime | None = None
    """When the oldest part of the value was looked at, by the host's clock; None where the value does not say."""
    age_s: float | None = None
    """How long before the answer that was."""
    stale: bool = False
    """Whether that is longer than the host's agent promises: libvirt or the storage does not answer there."""

    @property
    def well(self) -> bool:
        """Whether the call ended well."""
        return self.status in WELL


class FleetResult(Mapping[str, Outcome[T]]):
    """The outcomes by host, in the fleet's order. Nothing is raised unless `raise_for_failures` is called."""

    def __init__(self, outcomes: Iterable[Outcome[T]], duplicates: tuple[tuple[str, ...], ...] = ()) -> None:
        self._outcomes = {outcome.host: outcome for outcome in outcomes}
        self.duplicates = duplicates
        """Names that stand for one and the same agent, each such group once."""

    def __getitem__(self, host: str) -> Outcome[T]:
        return self._outcomes[host]

    def __iter__(self) -> Iterator[str]:
        return iter(self._outcomes)

    def __len__(self) -> int:
        return len(self._outcomes)

    def __repr__(self) -> str:
        return f"<FleetResult: {self.summary()}>"

    def only(self, *statuses: Status) -> FleetResult[T]:
        """The outcomes of these statuses."""
        return FleetResult((outcome for outcome in self.values() if outcome.status in statuses), self.duplicates)

    @property
    def ok(self) -> FleetResult[T]:
        """Where the call ended well, changed or not."""
        return self.only(*WELL)

    @property
    def failed(self) -> FleetResult[T]:
        """Where the host answered with an error."""
        return self.only(Status.FAILED)

    @property
    def unreachable(self) -> FleetResult[T]:
        """Where the host gave no answer."""
        return self.only(Status.UNREACHABLE)

    @property
    def skipped(self) -> FleetResult[T]:
        """Where the host was not asked."""
        return self.only(Status.SKIPPED)

    @property
    def answered(self) -> FleetResult[T]:
        """Where the host gave an answer, be it an error."""
        return self.only(*WELL, Status.FAILED)

    @property
    def stale(self) -> FleetResult[T]:
        """Where the answer is older than the host's agent promises."""
        return FleetResult((outcome for outcome in self.values() if outcome.stale), self.duplicates)

    @property
    def complete(self) -> bool:
        """Whether every host answered well, and none with what is stale."""
        return all(outcome.well and not outcome.stale for outcome in self.values())

    def answers(self) -> Iterator[tuple[str, T]]:
        """Host and value, where the call ended well."""
        for outcome in self.ok.values():
            yield outcome.host, outcome.value  # type: ignore[misc]  # where it ended well, the value is a T

    def summary(self) -> str:
        """Such as `597 changed, 2 unchanged, 1 failed`; statuses that no host has are left out."""
        counted = Counter(outcome.status for outcome in self.values())
        return ", ".join(f"{counted[status]} {status}" for status in Status if counted[status]) or "no hosts"

    def raise_for_failures(self) -> FleetResult[T]:
        """Return the result itself where every host ended well; else raise FleetError."""
        if all(outcome.well for outcome in self.values()):
            return self
        raise FleetError(self)


class FleetError(PoolfleetError):
    """Some hosts of a fleet failed, could not be reached or were skipped; `result` has the outcome of every host."""

    def __init__(self, result: FleetResult[T]) -> None:
        bad = result.only(Status.FAILED, Status.UNREACHABLE)
        lines = [
            f"{outcome.host}: {outcome.error.message if outcome.error else outcome.status}" for outcome in bad.values()
        ]
        shown = lines[:5] + ([f"and {len(lines) - 5} more"] if len(lines) > 5 else [])
        codes = {outcome.error.code for outcome in bad.values() if outcome.error}
        super().__init__(
            f"{result.summary()}: {'; '.join(shown)}", code=codes.pop() if len(codes) == 1 else "", reason="FLEET"
        )
        self.result = result
