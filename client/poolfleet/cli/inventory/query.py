"""`inventory query`: asks the store by a question that is ready, or by SQL."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poolfleet.cli import parsing
from poolfleet.cli.exit_codes import ExitCode
from poolfleet.cli.inventory.show import app
from poolfleet.cli.inventory.stores import STORE, opened
from poolfleet.cli.output import text
from poolfleet.cli.output.answers import Answer, Column, Kind, Table
from poolfleet.cli.session import Session, UsageError
from poolfleet.cli.storage import tables
from poolfleet.cli.verbs import choice, reads

if TYPE_CHECKING:
    from poolfleet.inventory.store.completeness import Completeness
    from poolfleet.inventory.store.port import Cell, InventoryStore

_QUESTION = typer.Argument(
    metavar="QUESTION|SQL",
    help="largest, orphans, unmanaged, growth, storage-growth, overcommitted, by-storage, by-host, by-domain; or SQL.",
    show_default=False,
)
_LIMIT = choice("--limit", about="So many rows at most, of a ready question; 20.", metavar="N")
_SINCE = choice("--since", about="Both kinds of growth: since so long ago, such as 12h or 30d; 30d.", metavar="TIME")
_MAX_AGE = choice(
    "--max-age", about="What is said for certain: hosts last heard of longer ago are missing; 1h.", metavar="TIME"
)
_EXCLUSIVE = choice("--assume-exclusive", about="orphans: only hosts of this fleet use its shared storages.")

Row = Sequence[Any]


@reads(
    app,
    "query",
    "poolfleet inventory query largest --limit 50",
    "poolfleet inventory query orphans --assume-exclusive",
    "poolfleet inventory query growth --since 7d",
    "poolfleet inventory query \"SELECT storage, count(*) FROM volumes WHERE format = 'raw' GROUP BY storage\"",
)
async def query_inventory(
    cli: Session,
    /,
    *,
    question: Annotated[str, _QUESTION],
    store: Annotated[str | None, STORE] = None,
    limit: Annotated[int, _LIMIT] = 20,
    since: Annotated[str, _SINCE] = "30d",
    max_age: Annotated[str, _MAX_AGE] = "1h",
    assume_exclusive: Annotated[bool, _EXCLUSIVE] = False,
) -> ExitCode:
    """Ask what `inventory sync` has stored. No host is asked.

    A volume is called an orphan only where all is known of its storage: every host of the fleet was heard of, with all
    pools and domains; a file is called unmanaged only where nothing is missing at all. What is missing is told, and
    makes the exit code 1 with --require-complete.
    """
    from poolfleet.inventory.store.queries import QUERIES

    ready = QUERIES.get(question)
    if ready is None and " " not in question.strip():
        raise UsageError(f"{question}: there are {', '.join(QUERIES)}; or say a statement of SQL")
    since_s = time.time() - parsing.duration_s(since)
    max_age_s = parsing.duration_s(max_age)
    with opened(store) as kept:
        from poolfleet.inventory.store.completeness import completeness

        async def look() -> Answer:
            known = completeness(kept, max_age_s=max_age_s)
            if not known.hosts:
                raise UsageError(f"{kept.address} holds nothing yet: `poolfleet inventory sync` fills it")
            if ready is None:
                return _answer(cli, kept, known, *_read(kept, question, {}))
            values: dict[str, Cell] = {"limit": limit, "since_s": since_s}
            columns, rows = _read(kept, ready.sql, {name: values[name] for name in values if f":{name}" in ready.sql})
            if ready.per_storage:
                columns, rows = _certain(
                    cli, columns, rows, "volume", lambda row: _why_no_orphan(known, row[0], exclusive=assume_exclusive)
                )
            elif ready.whole:
                columns, rows = _certain(
                    cli, columns, rows, "path", lambda row: next(iter(known.missing), row[0] or "")
                )
            if ready.per_storage or ready.whole:
                rows = rows[:limit]
            return _answer(cli, kept, known, columns, rows)

        return await cli.show(look)


def _read(store: InventoryStore, sql: str, values: dict[str, Cell]) -> tuple[Sequence[str], list[Row]]:
    with store.query(sql, values) as found:
        return found.columns, [tuple(row) for row in found.rows]


def _certain(
    cli: Session, columns: Sequence[str], rows: list[Row], noun: str, why: Callable[[Row], str]
) -> tuple[Sequence[str], list[Row]]:
    """Keep what may be said, and say why of the rest it may not. The first column is not for people."""
    unsaid = [(row[1], reason) for row in rows if (reason := why(row))]
    tables.tell_unsaid(cli, noun, unsaid)
    return columns[1:], [row[1:] for row in rows if not why(row)]


def _why_no_orphan(known: Completeness, storage_key: int, *, exclusive: bool) -> str:
    if reasons := known.of(storage_key):
        return reasons[0]
    if storage_key in known.unidentified:
        return "it has no id, so that other hosts may have it too; configure one for it"
    if storage_key in known.not_exclusive and not exclusive:
        return "hosts outside of this fleet may use it; --assume-exclusive says that there are none"
    return ""


def _answer(
    cli: Session, store: InventoryStore, known: Completeness, columns: Sequence[str], rows: list[Row]
) -> Answer:
    if known.missing and not cli.flags.for_programs:
        first = known.missing[:5]
        for words in first:
            cli.note(text.printable(f"missing: {words}"))
        if len(known.missing) > len(first):
            cli.note(f"missing: {len(known.missing) - len(first)} more of the kind; -o json tells all")
    return Answer(
        tables=[Table([_column(index, title, rows) for index, title in enumerate(columns)], rows)],
        document={
            "store": store.address,
            "complete": not known.missing,
            "missing": known.missing,
            "rows": [dict(zip(columns, row, strict=True)) for row in rows],
        },
        code=ExitCode.FAILED if known.missing and cli.flags.require_complete else ExitCode.OK,
    )


def _column(index: int, title: str, rows: list[Row]) -> Column[Row]:
    """A column, shown by what its title says it holds."""
    if title.endswith("_bytes"):
        name = title.removesuffix("_bytes").upper().replace("_", "-")
        return Column(name, lambda row: _whole(row[index]), Kind.SIZE)
    if title.endswith("_at_s"):
        return Column(title.removesuffix("_s").upper().replace("_", "-"), lambda row: _moment(row[index]))
    number = any(isinstance(row[index], (int, float)) for row in rows)
    path = title in ("path", "storage", "backing_path", "target_path")
    kind = Kind.COUNT if number else Kind.PATH if path else Kind.TEXT
    return Column(title.upper().replace("_", "-"), lambda row: _plain(row[index]), kind)


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


def _moment(value: float | None) -> str:
    return datetime.fromtimestamp(value, UTC).isoformat(sep=" ", timespec="seconds")[:-6] + "Z" if value else ""


def _plain(value: Any) -> Any:
    """A cell as tables have them; PostgreSQL has more kinds of numbers."""
    if value is None or isinstance(value, (str, int)):
        return value
    return f"{value:g}" if isinstance(value, float) else str(value)
