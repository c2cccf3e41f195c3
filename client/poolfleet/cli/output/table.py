"""Tables as text: columns as wide as they must be, and cut only where the terminal is narrower than that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from poolfleet.cli.output.answers import Column, Kind

if TYPE_CHECKING:
    from rich.console import Console

_GAP = 2
# How narrow columns become, one kind after the other: names and states stay whole as long as anything else gives way.
_ROUNDS = (((Kind.TEXT,), 24), ((Kind.PATH, Kind.MESSAGE), 16), ((Kind.TEXT, Kind.PATH, Kind.MESSAGE), 10))
_STYLES = {
    **dict.fromkeys(("running", "healthy", "succeeded", "ok"), "green"),
    **dict.fromkeys(("suspect", "degraded", "building", "pending", "cancelled", "skipped", "stale"), "yellow"),
    **dict.fromkeys(("unresponsive", "faulty", "inaccessible", "failed", "unreachable"), "bold red"),
    "inactive": "dim",
}


def drawn(
    columns: Sequence[Column[Any]],
    cells: Sequence[Sequence[str]],
    *,
    headers: bool,
    width: int | None,
    colour: bool,
) -> str:
    """Draw the rows, in at most `width` cells of a terminal where that is possible; None: nothing is cut."""
    from rich.cells import cell_len
    from rich.text import Text

    if not cells and not headers:
        return ""
    lines = [[column.title for column in columns]] * headers + [list(row) for row in cells]
    needed = [max(cell_len(line[i]) for line in lines) for i in range(len(columns))]
    widths = needed if width is None else fitted(columns, needed, width)
    drawn_lines = []
    for number, line in enumerate(lines):
        is_title = headers and number == 0
        row = Text()
        for i, (column, cell) in enumerate(zip(columns, line, strict=True)):
            piece = Text(cut(cell, widths[i], column.kind))
            style = "bold" if is_title else _STYLES.get(cell, "")
            if style:
                piece.stylize(style)
            gap = " " * (widths[i] - piece.cell_len)
            last = i == len(columns) - 1
            row.append_text(
                Text.assemble(gap, piece) if column.kind.is_number else Text.assemble(piece, "" if last else gap)
            )
            row.append("" if last else " " * _GAP)
        drawn_lines.append(row)
    if not colour:
        return "\n".join(row.plain.rstrip() for row in drawn_lines)
    console = _colours()
    with console.capture() as capture:
        for row in drawn_lines:
            console.print(row, soft_wrap=True)
    return capture.get().rstrip("\n")


def _colours() -> Console:
    from rich.console import Console

    return Console(force_terminal=True, highlight=False, markup=False, emoji=False)


def fitted(columns: Sequence[Column[Any]], needed: Sequence[int], width: int) -> list[int]:
    """Make columns narrower until all fit, the widest first: long texts, then paths and messages; numbers never."""
    widths = list(needed)
    for kinds, fewest in _ROUNDS:
        flexible = [i for i, column in enumerate(columns) if column.kind in kinds]
        while sum(widths) + _GAP * (len(widths) - 1) > width:
            least = {i: max(fewest, len(columns[i].title)) for i in flexible}
            wide = [i for i in flexible if widths[i] > least[i]]
            if not wide:
                break
            widths[max(wide, key=widths.__getitem__)] -= 1
    return widths


def cut(cell: str, width: int, kind: Kind) -> str:
    """Cut a cell to `width`; of a path the end stays, for it tells more than the beginning."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(cell) <= width:
        return cell
    if kind is Kind.PATH:
        return "…" + set_cell_size(cell[::-1], width - 1)[::-1]
    return set_cell_size(cell, width - 1) + "…"
