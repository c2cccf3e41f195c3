"""A test that is skipped without being listed fails the run: nothing drops out of the suite unseen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import allowed_skips

CONFTEST = Path(__file__).parents[1] / "conftest.py"

SKIPPING = """
import pytest

def test_in_the_body():
    pytest.skip("not here")

@pytest.mark.skip(reason="not now")
def test_by_mark():
    pass

@pytest.mark.xfail
def test_expected_to_fail():
    assert False
"""


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "conftest.py").write_text(CONFTEST.read_text())
    (tmp_path / "allowed_skips.txt").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*args: str) -> tuple[int, str]:
    """Run pytest in a process of its own and return its exit status and what it printed."""

    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    return done.returncode, done.stdout


def test_a_skip_that_is_not_listed_fails(suite: Path) -> None:
    (suite / "test_sample.py").write_text(SKIPPING)
    status, output = run()
    assert status == 1
    assert "1 failed, 1 xfailed, 1 error" in output
    assert "was skipped, and allowed_skips.txt does not list it: Skipped: not here" in output


def test_a_listed_skip_is_a_skip(suite: Path) -> None:
    (suite / "test_sample.py").write_text(SKIPPING)
    (suite / "allowed_skips.txt").write_text(
        "test_sample.py::test_in_the_body # a reason\ntest_sample.py::test_by_mark # another\n"
    )
    status, output = run()
    assert status == 0
    assert "2 skipped, 1 xfailed" in output


def test_a_module_that_skips_itself_fails(suite: Path) -> None:
    (suite / "test_whole.py").write_text("import pytest\npytest.skip('all of it', allow_module_level=True)\n")
    status, output = run()
    assert status != 0
    assert "all of it" in output


def test_a_listed_skip_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="no reason"):
        allowed_skips("tests/unit/test_x.py::test_y #")
