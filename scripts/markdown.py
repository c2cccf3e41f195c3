"""Markdown as the generated pages write it: tables, and text that was not written for Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_CODE = re.compile(r"(`[^`]*`)")


def table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Write a table; nothing where it has no rows."""
    lines = list(rows)
    if lines:
        marks = ("---",) * len(titles)
        yield "\n".join(
            f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in [titles, marks, *lines]
        )


def text(words: str) -> str:
    """Words of a comment or docstring: what is no code in them must not be taken for HTML or for emphasis."""
    return "".join(
        part if part.startswith("`") else part.replace("<", "&lt;").replace("*", r"\*") for part in _CODE.split(words)
    )


def one_line(words: str) -> str:
    """The same, for the cell of a table."""
    return text(" ".join(words.split()))
