"""How a change goes on: a live table on a terminal, plain lines elsewhere, nothing with --quiet."""

from __future__ import annotations

import math
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any

from poolfleet.cli.operation.tables import progress
from poolfleet.cli.output import text
from poolfleet.cli.output.answers import Column, Kind, shown

if TYPE_CHECKING:
    from rich.live import Live

    from poolfleet.cli.session import Session
    from poolfleet.types.operation import Attempt, Operation


def _failed(operation: Operation) -> Attempt | None:
    """The attempt that failed last: what the next one meets is not known while it runs."""
    return next((attempt for attempt in reversed(operation.attempts) if attempt.failure), None)


def _delay_s(attempt: Attempt) -> float | None:
    return None if attempt.retry_delay_s is None else math.ceil(attempt.retry_delay_s)


_ATTEMPTS: tuple[Column[tuple[str, Operation]], ...] = (
    Column("HOST", lambda row: row[0]),
    Column("ATTEMPT", lambda row: row[1].attempts[-1].number if row[1].attempts else 1, Kind.COUNT),
    Column("FAILURE", lambda row: failed.failure if (failed := _failed(row[1])) else None),
    Column("MESSAGE", lambda row: failed.message if (failed := _failed(row[1])) else None, Kind.MESSAGE),
    Column("NEXT-TRY", lambda row: _delay_s(row[1].attempts[-1]) if row[1].attempts else None, Kind.AGE),
)
_LONG_WORK: tuple[Column[tuple[str, Operation]], ...] = (
    Column("HOST", lambda row: row[0]),
    Column("STATE", lambda row: str(row[1].state)),
    Column("PROGRESS", lambda row: progress(row[1])),
)
_MOST_ROWS = 20


class Progress:
    """The hosts that still work, as they are heard of. A context manager; `stop` takes the live table away."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._rows: dict[str, Operation] = {}
        self._said: dict[tuple[str, str], int] = {}
        self._live: Live | None = None
        self._is_terminal = sys.stderr.isatty() and not session.flags.quiet

    @property
    def may_ask(self) -> bool:
        """Whether a person sits there who could answer."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Take the live table away."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def attempt(self, host: str, operation: Operation) -> None:
        """Show how far a host is."""
        if operation.ended:
            self._rows.pop(host, None)
        else:
            self._rows[host] = operation
        if self._is_terminal:
            self._draw()
        elif operation.attempts:
            self._tell(host, operation)

    def _tell(self, host: str, operation: Operation) -> None:
        # An attempt after which there is none is told by the operation's error.
        for attempt in operation.attempts:
            if attempt.retry_delay_s is None or attempt.number <= self._said.get((host, operation.id), 0):
                continue
            self._said[host, operation.id] = attempt.number
            again = f"next try in {text.age(_delay_s(attempt))}"
            words = f"{host}: attempt {attempt.number}: {attempt.failure}: {attempt.message}; {again}"
            self._session.note(text.printable(words))

    def _draw(self) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text

        from poolfleet.cli.output.table import drawn

        if self._live is None:
            console = Console(stderr=True, highlight=False)
            self._live = Live(console=console, transient=True, refresh_per_second=4)
            self._live.start()
        rows: list[Any] = sorted(self._rows.items())
        columns = _LONG_WORK if any(operation.progress for _, operation in rows) else _ATTEMPTS
        cells = [
            [shown(column, column.value(row), self._session.flags) for column in columns] for row in rows[:_MOST_ROWS]
        ]
        body = drawn(columns, cells, headers=True, width=self._live.console.width, colour=False)
        rest = f"\nand {len(rows) - _MOST_ROWS} more" if len(rows) > _MOST_ROWS else ""
        self._live.update(Text(body + rest if rows else ""))
