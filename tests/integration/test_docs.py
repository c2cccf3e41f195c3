"""What README and docs/ show is true: their Python runs on the hosts of the demo, their command lines are understood.

How blocks are read and marked: tests/doc_pages.py. The pages of docs/pools/ are run whole: test_pool_pages.py.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from poolfleet.cli.main import app
from poolfleet.cli.virsh.table import TABLE
from poolfleet.cli.virsh.translation import translated
from scripts.embedded.fleet import EmbeddedFleet
from scripts.embedded.tour import Tour
from tests.doc_pages import ROOT, blocks, commands

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SHOWN_DIR = "/srv/demo"

_CELL = re.compile(r"(?<=\| `)poolfleet [^`]+(?=` \|)")
# What ends a command of a shell's line.
_ENDS = {"|", "||", "&&", ";", ">", "<"}


def command_lines() -> Iterator[tuple[str, list[str]]]:
    """Each command line of `poolfleet` in a console or in a cell of a table, with its page."""
    for page in PAGES:
        name = str(page.relative_to(ROOT))
        for block in blocks(page):
            for words, _ in commands(block.text) if block.kind == "console" else ():
                if words[0] == "poolfleet":
                    end = next((index for index, word in enumerate(words) if word in _ENDS), len(words))
                    yield name, words[1:end]
        for cell in _CELL.findall(page.read_text(encoding="utf-8")):
            yield name, shlex.split(cell)[1:]


@pytest.fixture(scope="module")
def demo(short_dir: Path) -> Iterator[EmbeddedFleet]:
    """The hosts of the demo, after its tour."""
    embedded = EmbeddedFleet(short_dir / "docs", ["host1", "host2", "host3"])
    try:
        embedded.start()
        Tour(embedded).run()
        yield embedded
    finally:
        embedded.remove()


@pytest.mark.parametrize("page", ["README.md", "docs/library.md"])
def test_the_python_of_a_page_runs_and_prints_what_it_shows(page: str, demo: EmbeddedFleet) -> None:
    space: dict[str, Any] = {"__name__": "__main__"}
    shown = blocks(ROOT / page)
    codes = [index for index, block in enumerate(shown) if block.kind == "python"]
    assert codes
    for index in codes:
        code = shown[index].text.replace(SHOWN_DIR, str(demo.root))
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, f"{page}, Python block {codes.index(index) + 1}", "exec"), space)  # noqa: S102
        told = shown[index + 1].text if shown[index + 1 :] and shown[index + 1].kind == "text" else ""
        assert printed.getvalue() == told.replace(SHOWN_DIR, str(demo.root)), code
    if page == "README.md":
        leave_as_found(demo)


def leave_as_found(demo: EmbeddedFleet) -> None:
    from poolfleet import Fleet

    with Fleet.from_file(demo.file) as fleet:
        fleet.client("host1").volumes.delete("shared", "db.qcow2", allow_missing=True)
        fleet.map(lambda agent: agent.pools.refresh("shared")).raise_for_failures()


@pytest.mark.parametrize(
    ("page", "words"),
    list(command_lines()),
    ids=lambda value: shlex.join(value)[:60] if isinstance(value, list) else value,
)
def test_a_command_line_is_understood(page: str, words: list[str]) -> None:
    understood(typer.main.get_command(app), "poolfleet", words)


def test_the_lines_of_virshs_table_are_among_them() -> None:
    shown = [words for page, words in command_lines() if page == "docs/virsh.md"]
    there = [command for command in TABLE.values() if command.verb]
    assert all(translated(command.line(), announce=False) in shown for command in there)


def test_a_verb_that_is_not_there_is_not_understood() -> None:
    with pytest.raises(Exception, match="No such command"):
        understood(typer.main.get_command(app), "poolfleet", ["pool", "levitate"])
    with pytest.raises(Exception, match="No such option"):
        understood(typer.main.get_command(app), "poolfleet", ["pool", "list", "--levitate"])


def understood(command: Any, name: str, words: list[str], parent: Any = None) -> None:
    """Parse words as the program would, and run nothing; raises what it would complain of."""
    context = command.make_context(name, [*words], parent=parent)
    rest = [*getattr(context, "_protected_args", ()), *context.args]
    if hasattr(command, "resolve_command") and rest:
        found, verb, rest = command.resolve_command(context, rest)
        understood(verb, found, rest, context)


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)[^)]*\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)}: {target}"
