"""The table of cells is kept: every cell has its test where the table says, and every mark is a cell of the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from poolfleet.types.pool_source import SOURCES
from tests.cells import CELLS, VERBS, Marked, Place, lacking, marked_below, misplaced

MARKED = {place.folder: list(marked_below(place.folder)) for place in Place}


def test_every_pool_type_has_its_row() -> None:
    assert set(CELLS) == set(SOURCES)


@pytest.mark.parametrize("pool_type", CELLS)
def test_every_cell_has_its_test(pool_type: str) -> None:
    assert lacking(pool_type, MARKED) == []


@pytest.mark.parametrize("folder", MARKED, ids=lambda folder: folder.name)
def test_every_mark_is_a_cell_of_the_table(folder: Path) -> None:
    assert misplaced(folder, MARKED[folder]) == []


def test_a_cell_without_a_test_is_told() -> None:
    lab, here = Place.LAB.folder, Place.HERE.folder
    all_but_one = [Marked("t", "netfs", tuple(verb for verb in VERBS if verb != "build"))]
    assert lacking("netfs", {here: all_but_one, lab: [Marked("t", "netfs", VERBS)]}) == ["netfs: build here"]
    assert lacking("netfs", {here: [Marked("t", "netfs", VERBS)], lab: all_but_one}) == ["netfs: build in the lab"]
    assert len(lacking("netfs", {here: [Marked("t", "fs", VERBS)], lab: []})) == 2 * len(VERBS)


@pytest.mark.parametrize(
    ("marked", "why"),
    [
        (Marked("t", "sheepdog", ("define",)), "t: sheepdog is no pool type of the table"),
        (Marked("t", "dir", ("delete",)), "t: delete is no verb of the table"),
        (Marked("t", "dir", ()), "t: dir without a verb"),
        (Marked("t", "logical", ("define",)), "t: logical is not gone through in tests/integration"),
    ],
)
def test_a_mark_of_what_is_no_cell_is_told(marked: Marked, why: str) -> None:
    assert misplaced(Place.HERE.folder, [marked]) == [why]


def test_marks_are_read_from_the_text_of_the_tests(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below/test_some.py").write_text(
        "if root:\n"
        "    @pytest.mark.cell('dir', 'define', 'build')\n"
        "    @pytest.mark.parametrize('x', [pytest.param(1, marks=pytest.mark.cell('fs', 'erase'))])\n"
        "    def test_one(x): ...\n"
        "    @pytest.mark.cell('dir', 'start')\n"
        "    def helps(): ...\n"
        "    @pytest.mark.full\n"
        "    async def test_two(): ...\n"
    )
    one = "test_some.py::test_one"
    assert list(marked_below(tmp_path)) == [Marked(one, "dir", ("define", "build")), Marked(one, "fs", ("erase",))]


@pytest.mark.parametrize("mark", ["pytest.mark.cell(kind, 'build')", "pytest.mark.cell", "pytest.mark.cell()"])
def test_a_mark_that_does_not_write_its_words_out_is_refused(tmp_path: Path, mark: str) -> None:
    (tmp_path / "test_some.py").write_text(f"@{mark}\ndef test_one(): ...\n")
    with pytest.raises(ValueError, match="writes out"):
        list(marked_below(tmp_path))
