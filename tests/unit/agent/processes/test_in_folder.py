"""A program in a folder: what it makes there is readable to all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from poolfleet_agent.processes import in_folder


def test_what_the_program_makes_is_readable_to_all_however_strict_the_agent_s_umask_is(tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-S", str(in_folder.__file__), "", str(tmp_path), "touch", "--", "image"]
    subprocess.run(command, check=True, umask=0o077, timeout=30)
    assert (tmp_path / "image").stat().st_mode & 0o777 == 0o644
