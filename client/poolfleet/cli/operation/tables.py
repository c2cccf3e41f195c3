"""How operations are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from poolfleet.cli.output import text
from poolfleet.cli.output.answers import Column, Kind, Table

if TYPE_CHECKING:
    from poolfleet.types.operation import Attempt, Operation


@dataclass(frozen=True, slots=True)
class HostOperation:
    """An operation and its host's name."""

    host: str
    operation: Operation


def _target(operation: Operation) -> str:
    return f"{operation.pool}/{operation.volume}" if operation.volume else operation.pool or operation.secret


def progress(operation: Operation) -> str | None:
    """How far it is: the share where all that is to be done is known, else what is done; None: it does not say."""
    told = operation.progress
    if told is None:
        return None
    share = text.share(told.done_bytes, told.total_bytes)
    return share if share != text.NOTHING else text.gib(told.done_bytes)


def age_s(row: HostOperation) -> float:
    """How long ago it was recorded, in seconds; what does not say is the oldest."""
    age = text.seconds_since(row.operation.created_at)
    return float("inf") if age is None else age


def message(operation: Operation) -> str:
    """Why it failed, what its last attempt met, or what it warns of; empty where there is nothing to say."""
    if operation.error is not None:
        return operation.error.message
    if not operation.ended and operation.attempts and operation.attempts[-1].message:
        return operation.attempts[-1].message
    return "; ".join(operation.warnings)


_COLUMNS: tuple[Column[HostOperation], ...] = (
    Column("ID", lambda row: row.operation.id, Kind.PATH),
    Column("HOST", lambda row: row.host),
    Column("KIND", lambda row: str(row.operation.kind).replace("_", "-")),
    Column("TARGET", lambda row: _target(row.operation)),
    Column("STATE", lambda row: str(row.operation.state)),
    Column("PROGRESS", lambda row: progress(row.operation)),
    Column("ATTEMPTS", lambda row: len(row.operation.attempts) or None, Kind.COUNT),
    Column("AGE", lambda row: text.seconds_since(row.operation.created_at), Kind.AGE),
    Column("MESSAGE", lambda row: message(row.operation), Kind.MESSAGE),
    Column("CALLER", lambda row: row.operation.caller, wide=True),
    Column("CHANGED", lambda row: text.yes_no(row.operation.changed) if row.operation.ended else None, wide=True),
)
_FIELDS: tuple[Column[tuple[str, str]], ...] = (
    Column("FIELD", lambda row: row[0]),
    Column("VALUE", lambda row: row[1], Kind.MESSAGE),
)
_ATTEMPTS: tuple[Column[Attempt], ...] = (
    Column("ATTEMPT", lambda row: row.number, Kind.COUNT),
    Column("STARTED", lambda row: text.seconds_since(row.started_at), Kind.AGE),
    Column("TOOK", lambda row: row.duration_s, Kind.AGE),
    Column("FAILURE", lambda row: row.failure),
    Column("MESSAGE", lambda row: row.message, Kind.MESSAGE),
    Column("NEXT-TRY", lambda row: row.retry_delay_s, Kind.AGE),
)


def table(rows: Sequence[HostOperation]) -> Table[HostOperation]:
    """Show operations line by line."""
    return Table(_COLUMNS, rows, name=lambda row: row.operation.id)


def in_full(row: HostOperation) -> Table[tuple[str, str]]:
    """Show one operation field by field."""
    operation = row.operation
    fields = [
        ("Id", operation.id),
        ("Host", row.host),
        ("Kind", str(operation.kind).replace("_", "-")),
        ("Target", _target(operation)),
        ("State", str(operation.state)),
        ("Changed", text.yes_no(operation.changed) if operation.ended else ""),
        ("Progress", progress(operation) or ""),
        ("Caller", operation.caller),
        ("Created", operation.created_at.isoformat() if operation.created_at else ""),
        ("Ended", operation.ended_at.isoformat() if operation.ended_at else ""),
        ("Deadline", operation.deadline.isoformat() if operation.deadline else ""),
        ("Can be cancelled", text.yes_no(operation.cancellable)),
        ("Message", message(operation)),
    ]
    return Table(_FIELDS, fields, name=lambda field: field[1])


def attempts(row: HostOperation) -> Table[Attempt]:
    """Show what each attempt met."""
    return Table(_ATTEMPTS, row.operation.attempts, heading=f"Attempts on {row.host}")


def line(host: str, operation: Operation) -> str:
    """Tell how an operation stands, in one line."""
    kind = str(operation.kind).replace("_", "-")
    words = [
        host,
        operation.id,
        kind,
        _target(operation),
        str(operation.state),
        progress(operation) or "",
        message(operation),
    ]
    return text.printable("  ".join(word for word in words if word))
