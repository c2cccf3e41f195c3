"""Statements that are run thousands of times in one sync: compiled once, and then given to the database's driver.

To run one of them takes SQLAlchemy several times as long as the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple, Protocol

from sqlalchemy import ClauseElement, Connection

Values = Mapping[str, Any]
"""By the names that stand in the statement."""


class Answer(Protocol):
    """What a statement did, as the driver has it."""

    @property
    def rowcount(self) -> int:
        """Rows that were changed."""

    def fetchone(self) -> Sequence[Any] | None:
        """The next row that was found; None: there is none."""

    def fetchall(self) -> Sequence[Sequence[Any]]:
        """All further rows."""


class _Compiled(NamedTuple):
    sql: str
    ordered: Callable[[Values], Any]
    """What the driver takes for values."""


class Statement:
    """One statement, whatever the database. Its values are given as the driver takes them: no type converts them."""

    def __init__(self, clause: ClauseElement, columns: Sequence[str] = ()) -> None:
        """columns: those that an INSERT or UPDATE which names none is to write."""
        self._clause = clause
        self._columns = list(columns) or None
        self._compiled: dict[str, _Compiled] = {}

    def run(self, connection: Connection, values: Values) -> Answer:
        """Run it once, within the transaction of that connection."""
        sql, ordered = self._for(connection)
        cursor: Any = connection.connection.cursor()
        cursor.execute(sql, ordered(values))
        answer: Answer = cursor
        return answer

    def run_each(self, connection: Connection, every: Iterable[Values]) -> None:
        """Run it for each of these values; none: not at all."""
        sql, ordered = self._for(connection)
        cursor: Any = connection.connection.cursor()
        cursor.executemany(sql, list(map(ordered, every)))

    def _for(self, connection: Connection) -> _Compiled:
        dialect = connection.dialect
        known = self._compiled.get(dialect.name)
        if known is None:
            made: Any = self._clause.compile(dialect=dialect, column_keys=self._columns)
            places = made.positiontup
            known = _Compiled(str(made), _in_order(places) if places is not None else dict)
            self._compiled[dialect.name] = known
        return known


def _in_order(names: Sequence[str]) -> Callable[[Values], tuple[Any, ...]]:
    if len(names) == 1:
        (name,) = names
        return lambda values: (values[name],)
    return itemgetter(*names) if names else lambda values: ()
