"""What came of a call to many hosts, or on many volumes: one outcome for each, and what they come to together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, Self, TypeVar

from poolfleet.inventory.model import InventoryVolume
from poolfleet.types.errors import PoolfleetError

KeyT = TypeVar("KeyT")
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
    """Its name; of a call on a volume the host that an error is about, else empty."""
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


class Outcomes(Mapping[KeyT, Outcome[T]]):
    """Outcomes in the order in which they were asked for. Nothing is raised unless `raise_for_failures` is called."""

    _of = "hosts"

    def __init__(self, outcomes: Mapping[KeyT, Outcome[T]]) -> None:
        self._outcomes = dict(outcomes)

    def __getitem__(self, key: KeyT) -> Outcome[T]:
        return self._outcomes[key]

    def __iter__(self) -> Iterator[KeyT]:
        return iter(self._outcomes)

    def __len__(self) -> int:
        return len(self._outcomes)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.summary()}>"

    def _part(self, outcomes: Mapping[KeyT, Outcome[T]]) -> Self:
        return type(self)(outcomes)

    def only(self, *statuses: Status) -> Self:
        """The outcomes of these statuses."""
        return self._part({key: outcome for key, outcome in self.items() if outcome.status in statuses})

    @property
    def ok(self) -> Self:
        """Where the call ended well, changed or not."""
        return self.only(*WELL)

    @property
    def failed(self) -> Self:
        """Where the host answered with an error."""
        return self.only(Status.FAILED)

    @property
    def unreachable(self) -> Self:
        """Where the host gave no answer."""
        return self.only(Status.UNREACHABLE)

    @property
    def skipped(self) -> Self:
        """Where the host was not asked."""
        return self.only(Status.SKIPPED)

    @property
    def answered(self) -> Self:
        """Where the host gave an answer, be it an error."""
        return self.only(*WELL, Status.FAILED)

    @property
    def stale(self) -> Self:
        """Where the answer is older than the host's agent promises."""
        return self._part({key: outcome for key, outcome in self.items() if outcome.stale})

    @property
    def complete(self) -> bool:
        """Whether every host answered well, and none with what is stale."""
        return all(outcome.well and not outcome.stale for outcome in self.values())

    def answers(self) -> Iterator[tuple[KeyT, T]]:
        """What was asked and the value, where the call ended well."""
        for key, outcome in self.ok.items():
            yield key, outcome.value  # type: ignore[misc]  # where it ended well, the value is a T

    def summary(self) -> str:
        """Such as `597 changed, 2 unchanged, 1 failed`; statuses that nothing has are left out."""
        counted = Counter(outcome.status for outcome in self.values())
        return ", ".join(f"{counted[status]} {status}" for status in Status if counted[status]) or f"no {self._of}"

    def raise_for_failures(self) -> Self:
        """Return the result itself where all ended well; else raise FleetError."""
        if all(outcome.well for outcome in self.values()):
            return self
        raise FleetError(self)

    def lines(self) -> Iterator[str]:
        """What went wrong, a line each."""
        for key, outcome in self.only(Status.FAILED, Status.UNREACHABLE).items():
            yield f"{self._name(key)}: {outcome.error.message if outcome.error else outcome.status}"

    def _name(self, key: KeyT) -> str:
        return str(key)


class FleetResult(Outcomes[str, T]):
    """The outcomes by host, in the fleet's order. Nothing is raised unless `raise_for_failures` is called."""

    def __init__(self, outcomes: Iterable[Outcome[T]], duplicates: tuple[tuple[str, ...], ...] = ()) -> None:
        super().__init__({outcome.host: outcome for outcome in outcomes})
        self.duplicates = duplicates
        """Names that stand for one and the same agent, each such group once."""

    def _part(self, outcomes: Mapping[str, Outcome[T]]) -> Self:
        return type(self)(outcomes.values(), self.duplicates)


class VolumesResult(Outcomes[InventoryVolume, T]):
    """The outcomes by volume, as they were given. Nothing is raised unless `raise_for_failures` is called."""

    _of = "volumes"

    def _name(self, key: InventoryVolume) -> str:
        return f"{key.storage_id}: {key.name}"


class FleetError(PoolfleetError):
    """Some hosts, or volumes, failed, could not be reached or were skipped; `result` has the outcome of each."""

    def __init__(self, result: Outcomes[Any, Any]) -> None:
        bad = result.only(Status.FAILED, Status.UNREACHABLE)
        lines = list(bad.lines())
        shown = lines[:5] + ([f"and {len(lines) - 5} more"] if len(lines) > 5 else [])
        codes = {outcome.error.code for outcome in bad.values() if outcome.error}
        super().__init__(
            f"{result.summary()}: {'; '.join(shown)}", code=codes.pop() if len(codes) == 1 else "", reason="FLEET"
        )
        self.result = result
