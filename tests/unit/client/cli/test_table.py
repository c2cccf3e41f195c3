from __future__ import annotations

import pytest
import typer

from poolfleet.cli.flags import Flags, Output
from poolfleet.cli.output.answers import Answer, Column, Kind, Table, written

Row = tuple[str, int | None, str]
COLUMNS: tuple[Column[Row], ...] = (
    Column("NAME", lambda row: row[0]),
    Column("SIZE", lambda row: row[1], Kind.SIZE),
    Column("PATH", lambda row: row[2], Kind.PATH),
    Column("MORE", lambda row: row[0] * 2, wide=True),
)
ROWS: list[Row] = [("b", 1024**3, "/srv/images/of/guests/that/run/b.img"), ("a\x1b", None, "/a"), ("c", 5, "/c")]
ANSWER = Answer(tables=[Table(COLUMNS, ROWS)], document={"rows": [{"name": "a\x9b"}]})


def shown(width: int | None = None, **flags: object) -> list[str]:
    return written(ANSWER, Flags(**flags), width=width).splitlines()  # type: ignore[arg-type]


def test_a_table_has_titles_and_aligned_columns_without_trailing_space() -> None:
    assert shown() == [
        "NAME      SIZE  PATH",
        "b       1.0GiB  /srv/images/of/guests/that/run/b.img",
        "a\\x1b        -  /a",
        "c      <0.1GiB  /c",
    ]


def test_a_narrow_terminal_cuts_the_beginning_of_paths_and_keeps_names() -> None:
    assert shown(width=40)[1] == "b       1.0GiB  …f/guests/that/run/b.img"


def test_wide_shows_all_columns_and_cuts_nothing() -> None:
    lines = shown(width=20, output=Output.WIDE)
    assert lines[0].split() == ["NAME", "SIZE", "PATH", "MORE"]
    assert "/srv/images/of/guests/that/run/b.img" in lines[1]


def test_titles_can_be_left_out() -> None:
    assert len(shown(no_headers=True)) == len(ROWS)


def test_sizes_can_be_exact() -> None:
    assert str(1024**3) in shown(bytes=True)[1]


def test_rows_are_sorted_by_any_column_what_is_unknown_last() -> None:
    assert [line[0] for line in shown(sort="size")[1:]] == ["c", "b", "a"]
    assert [line[0] for line in shown(sort="-size")[1:]] == ["b", "c", "a"]
    assert [line[0] for line in shown(sort="name")[1:]] == ["a", "b", "c"]
    assert [line[0] for line in shown(sort="-name")[1:]] == ["c", "b", "a"]


def test_a_column_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(typer.BadParameter, match="name, size, path"):
        shown(sort="colour")


def test_csv_has_every_column_and_plain_numbers() -> None:
    assert shown(output=Output.CSV)[:3] == [
        "NAME,SIZE,PATH,MORE",
        "b,1073741824,/srv/images/of/guests/that/run/b.img,bb",
        "a\\x1b,,/a,a\\x1ba\\x1b",
    ]


def test_names_only() -> None:
    assert shown(output=Output.NAME) == ["b", "a\\x1b", "c"]


@pytest.mark.parametrize("output", [Output.JSON, Output.YAML])
def test_documents_have_no_raw_control_characters(output: Output) -> None:
    text = "\n".join(shown(output=output))
    assert text.isprintable() or all(c.isprintable() or c == "\n" for c in text)
    assert "9b" in text.lower()


def test_what_looks_like_markup_is_text() -> None:
    answer = Answer(tables=[Table(COLUMNS[:1], [("[red]x[/red]", None, "")])])
    assert written(answer, Flags(), width=None, colour=True).splitlines()[1] == "[red]x[/red]"
