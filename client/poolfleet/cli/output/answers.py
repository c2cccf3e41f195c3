"""Answers, and the six ways of writing them: as a table, wide, as JSON, YAML or CSV, and names only."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum, StrEnum, auto
from pathlib import Path
from typing import Any, Generic, TypeVar

import typer

from poolfleet.cli.exit_codes import ExitCode
from poolfleet.cli.flags import Flags, Output
from poolfleet.cli.output import text

Row = TypeVar("Row")
Value = str | int | float | None


class Kind(Enum):
    """What a column holds: how it is shown, and how much it may be cut."""

    TEXT = auto()
    PATH = auto()
    MESSAGE = auto()
    COUNT = auto()
    SIZE = auto()
    """Bytes."""
    SHARE = auto()
    """Percent."""
    AGE = auto()
    """Seconds."""

    @property
    def is_number(self) -> bool:
        """Whether it stands on the right."""
        return self in (Kind.COUNT, Kind.SIZE, Kind.SHARE, Kind.AGE)


@dataclasses.dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """One column: its title, what it takes from a row, and whether only `wide` (and CSV) has it."""

    title: str
    value: Callable[[Row], Value]
    kind: Kind = Kind.TEXT
    wide: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Table(Generic[Row]):
    """Rows under columns; `name` is what `-o name` writes of a row, `heading` a line above."""

    columns: Sequence[Column[Row]]
    rows: Sequence[Row]
    name: Callable[[Row], str] | None = None
    heading: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a verb found: tables for people, one document for programs, and the code to end with."""

    tables: Sequence[Table[Any]] = ()
    document: Any = None
    first_line: str = ""
    last_lines: Sequence[str] = ()
    """Sentences for people, below the tables."""
    verbatim: str = ""
    """Written as it is, for people, instead of tables."""
    code: ExitCode = ExitCode.OK


def written(answer: Answer, flags: Flags, *, width: int | None, colour: bool = False) -> str:
    """Write it as `flags` say; raises typer.BadParameter for a --sort that no column answers to.

    Only `table` keeps to the `width` of a terminal; None: nothing is cut.
    """
    match flags.output:
        case Output.JSON:
            return _json(plain(answer.document))
        case Output.YAML:
            return _yaml(plain(answer.document))
        case _ if answer.verbatim:
            return answer.verbatim
        case Output.CSV:
            return "\n".join(_csv(table, flags) for table in answer.tables[:1])
        case Output.NAME:
            return "\n".join(_names(answer.tables[:1], flags))
    from poolfleet.cli.output.table import drawn

    parts = [text.printable(answer.first_line)] if answer.first_line and not flags.no_headers else []
    # Where nobody answered there is no empty list either: standard error says why.
    for table in answer.tables if answer.code is ExitCode.OK or any(each.rows for each in answer.tables) else ():
        wide = flags.output is Output.WIDE
        columns = [column for column in table.columns if wide or not column.wide]
        cells = [[shown(column, column.value(row), flags) for column in columns] for row in _sorted(table, flags)]
        heading = [text.printable(table.heading)] if table.heading and cells else []
        body = drawn(columns, cells, headers=not flags.no_headers, width=None if wide else width, colour=colour)
        parts.append("\n".join([*heading, body]) if body else "")
    parts.append("\n".join(map(text.printable, answer.last_lines)))
    return "\n\n".join(part for part in parts if part)


def shown(column: Column[Any], value: Value, flags: Flags) -> str:
    """Show one value in its column."""
    if value is None or value == "":
        return text.NOTHING
    if isinstance(value, str):
        return text.printable(value)
    match column.kind:
        case Kind.SIZE:
            return text.exact_bytes(int(value)) if flags.bytes else text.gib(int(value))
        case Kind.SHARE:
            return f"{value:.0f}%"
        case Kind.AGE:
            return text.age(value)
    return str(value)


def _sorted(table: Table[Row], flags: Flags) -> list[Row]:
    if not flags.sort or not table.rows:
        return list(table.rows)
    title = flags.sort.removeprefix("-").lower()
    column = next((each for each in table.columns if each.title.lower() == title), None)
    if column is None:
        titles = ", ".join(each.title.lower() for each in table.columns)
        raise typer.BadParameter(f"--sort {flags.sort}: there is no such column; there are {titles}")

    known = [row for row in table.rows if column.value(row) not in (None, "")]
    unknown = [row for row in table.rows if column.value(row) in (None, "")]

    def key(row: Row) -> tuple[bool, Value]:
        value = column.value(row)
        return isinstance(value, str), value

    return [*sorted(known, key=key, reverse=flags.sort.startswith("-")), *unknown]


def _csv(table: Table[Any], flags: Flags) -> str:
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    if not flags.no_headers:
        writer.writerow([column.title for column in table.columns])
    for row in _sorted(table, flags):
        values = [column.value(row) for column in table.columns]
        writer.writerow([text.printable(v) if isinstance(v, str) else v for v in values])
    return lines.getvalue().rstrip("\n")


def _names(tables: Iterable[Table[Any]], flags: Flags) -> list[str]:
    found: dict[str, None] = {}
    for table in tables:
        for row in _sorted(table, flags):
            name = table.name(row) if table.name else str(table.columns[0].value(row))
            found[text.printable(name)] = None
    return list(found)


def plain(value: Any) -> Any:
    """Make dictionaries and lists of what the client answers with; times become ISO 8601, unset values null."""
    match value:
        case StrEnum():
            return str(value)
        case None | bool() | int() | float() | str():
            return value
        case datetime():
            return value.isoformat()
        case Path():
            return str(value)
        case Mapping():
            return {str(key): plain(each) for key, each in value.items()}
        case BaseException():
            return _error(value)
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return [plain(each) for each in value]


def _error(error: BaseException) -> dict[str, Any]:
    names = ("reason", "code", "message", "metadata", "operation_id", "retry_delay_s")
    return {name: getattr(error, name) for name in names if getattr(error, name, None)}


def _json(document: Any) -> str:
    written = json.dumps(document, indent=2, ensure_ascii=False)
    # json escapes what stands below the space only; the other control characters move a terminal too.
    return re.sub(
        r"[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]", lambda m: f"\\u{ord(m[0]):04x}", written
    )


def _yaml(document: Any) -> str:
    import yaml

    written: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=10_000)
    return written.rstrip("\n")
