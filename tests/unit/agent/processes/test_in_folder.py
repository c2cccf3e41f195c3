"""A program in a folder: who may read what it makes there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from poolfleet_agent.processes import in_folder


@pytest.mark.parametrize(("umask", "mode"), [("022", 0o644), ("077", 0o600)])
def test_what_the_program_makes_is_readable_to_whom_it_is_told_however_strict_the_agent_s_umask_is(
    tmp_path: Path, umask: str, mode: int
) -> None:
    command = [sys.executable, "-I", "-S", str(in_folder.__file__), umask, "", str(tmp_path), "touch", "--", "image"]
    subprocess.run(command, check=True, umask=0o027, timeout=30)
    assert (tmp_path / "image").stat().st_mode & 0o777 == mode
