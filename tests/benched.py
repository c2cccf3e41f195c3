"""scripts/bench, run as a person runs it, with as little to measure as a test needs of it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LIMIT_S = 280.0
"""It takes half a minute; a busy machine may be much slower."""
WITH_ALL_ELSE_S = 300
"""For a test, with what it does beside that."""


def tried(*words: str) -> subprocess.CompletedProcess[str]:
    """How it ends, well or not."""
    return subprocess.run([ROOT / "scripts/bench", *words], capture_output=True, text=True, timeout=LIMIT_S)


def report_of(*words: str) -> dict[str, Any]:
    """What it prints; fails where it does."""
    done = tried(*words)
    assert done.returncode == 0, done.stderr
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed
