"""What may be there, by what became of the operations on one object, oldest first.

An object is a volume, whose value is its capacity, or a pool, whose value is its autostart. What was told SUCCEEDED was
done. What failed in a way after which libvirt may go on was perhaps done. All else was not. Where an operation tells
what cannot be after those before it, something was lost between them, or done twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from poolfleet import Operation, Pool, Volume
from poolfleet.types.operation import OperationKind, OperationState
from scripts.soaking.told import Change

LATE = timedelta(seconds=10)
"""How long after it failed so a change may yet be done: libvirt, or a child of one that was killed, goes on."""

TRAIL = 6
"""How many operations before it a finding tells."""

ANY = -1
"""A value that nobody was told."""

Value = int | None
"""None: the object is not there."""

_MAKES = {OperationKind.CREATE_VOLUME, OperationKind.CLONE_VOLUME, OperationKind.DEFINE_POOL}
_ENDS = {OperationKind.DELETE_VOLUME, OperationKind.UNDEFINE_POOL}
_SETS = {OperationKind.RESIZE_VOLUME, OperationKind.UPDATE_POOL}
_PERHAPS_DONE = {"LIBVIRT_UNAVAILABLE", "OPERATION_TIMED_OUT", "AGENT_RESTARTED", "POOL_UNRESPONSIVE"}


@dataclass(frozen=True, slots=True)
class Step:
    """An operation as it ended; `change` is what was asked, None where it was nobody's request (the supervisor's)."""

    operation: Operation
    change: Change | None

    @property
    def done(self) -> bool:
        """Whether it was told to be done."""
        return self.operation.state is OperationState.SUCCEEDED

    @property
    def perhaps(self) -> bool:
        """Whether it may have been done, or may yet be."""
        error = self.operation.error
        return not self.done and (error is None or error.reason in _PERHAPS_DONE)

    def told(self) -> str:
        """It in few words, with its times, for whoever looks for what happened in the agent's log."""
        operation, change = self.operation, self.change
        asked = [] if change is None else [change.capacity_bytes, change.delta_bytes, change.autostart]
        words = [str(value) for value in asked if value is not None]
        became = operation.error.reason if operation.error else _shown({_told(operation)})
        if not operation.changed and operation.error is None:
            became = f"unchanged, {became}"
        times = " to ".join(f"{at:%H:%M:%S.%f}" for at in (operation.created_at, operation.ended_at) if at is not None)
        return f"{' '.join([operation.kind, *words])}: {became} ({times}, {operation.id[:8]})"


@dataclass
class History:
    """Follows one object through its operations."""

    name: str
    values: set[Value] = field(default_factory=lambda: {None})
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    _late: list[tuple[datetime, Change]] = field(default_factory=list)
    """What was perhaps done, and until when it may come."""
    _trail: deque[str] = field(default_factory=lambda: deque(maxlen=TRAIL))

    def follow(self, steps: Iterable[Step]) -> None:
        """Take each step in its order."""
        for step in steps:
            self._trail.append(step.told())
            if step.done:
                self._done(step)
            elif step.perhaps and step.change is not None and step.operation.ended_at is not None:
                self._late.append((step.operation.ended_at + LATE, step.change))
            self._come_late(step.operation.created_at)

    def found(self, value: Value) -> None:
        """Hold what is there in the end against what may be."""
        if self._may_be(value):
            return
        what = f"{self.name}: {_shown({value})} in the end; by what was told {_shown(self.values)}{self._after()}"
        present = [known for known in self.values if known is not None]
        (self.lost if value is None or (present and value < min(present)) else self.doubled).append(what)

    def _come_late(self, now: datetime | None) -> None:
        self._late = [(until, change) for until, change in self._late if now is None or now < until]
        for _, change in self._late:
            self.values |= {_after(value, change) for value in self.values}

    def _done(self, step: Step) -> None:
        kind, told = step.operation.kind, _told(step.operation)
        there = self.values - {None}
        if kind in _MAKES:
            # Made where it was, it was made twice; found where it was not, it had been deleted by nobody.
            self._check(step, None in self.values if step.operation.changed else self._may_be(told))
            self.values = {told}
        elif kind in _ENDS:
            self._check(step, bool(there) if step.operation.changed else None in self.values)
            self.values = {None}
        elif kind in _SETS:
            self._check(step, bool(there) and self._may_become(told, step.change))
            self.values = {told}
        else:
            self._check(step, bool(there))
            self.values = there or {ANY}

    def _may_be(self, value: Value) -> bool:
        return value in self.values or (value is not None and ANY in self.values)

    def _may_become(self, told: Value, change: Change | None) -> bool:
        return change is None or ANY in self.values or told in {_after(value, change) for value in self.values}

    def _check(self, step: Step, can_be: bool) -> None:
        """Note a step that cannot have followed those before it: as done twice where it says that it did something."""
        if can_be:
            return
        what = f"{self.name}: cannot be what came last, for it was {_shown(self.values)}{self._after()}"
        (self.doubled if step.operation.changed else self.lost).append(what)

    def _after(self) -> str:
        return f"; after {'; '.join(self._trail)}"


def _told(operation: Operation) -> Value:
    match operation.result:
        case Volume(capacity_bytes=capacity_bytes):
            return capacity_bytes
        case Pool(autostart=autostart):
            return int(autostart)
    return None


def _after(value: Value, change: Change) -> Value:
    """The value after a change that was done."""
    if change.kind in _MAKES:
        made = 0 if change.kind is OperationKind.DEFINE_POOL else change.capacity_bytes
        return value if value is not None else (ANY if made is None else made)
    if change.kind in _ENDS:
        return None
    if value is None or value == ANY or change.kind not in _SETS:
        return value
    if change.delta_bytes is not None:
        return value + change.delta_bytes
    return int(change.autostart) if change.autostart is not None else change.capacity_bytes


def _shown(values: Iterable[Value]) -> str:
    words = ("absent" if value is None else "there" if value == ANY else str(value) for value in values)
    return " or ".join(sorted(words))
