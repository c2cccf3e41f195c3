"""No module is long without saying why, so that each keeps one reason to exist."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST_LINES = 400
EXCUSE = "Longer than usual because"

MODULES = [
    path.relative_to(ROOT)
    for folder in ("agent", "client", "scripts", "tests")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "client/poolfleet/v1" not in path.as_posix()
]


def too_long(source: str) -> bool:
    docstring = ast.get_docstring(ast.parse(source)) or ""
    return len(source.splitlines()) > MOST_LINES and EXCUSE not in " ".join(docstring.split())


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_is_short_or_says_why_not(module: Path) -> None:
    assert not too_long((ROOT / module).read_text()), f"{module} has more than {MOST_LINES} lines: divide it"


def test_only_a_reason_in_the_docstring_excuses_length() -> None:
    long_body = "x = 1\n" * MOST_LINES
    assert too_long('"""What it is."""\n' + long_body)
    assert too_long(f'"""What it is."""\n# {EXCUSE} I say so.\n' + long_body)
    assert not too_long(f'"""What it is.\n\n{EXCUSE} it is\none table.\n"""\n' + long_body)
    assert not too_long('"""What it is."""\n')
