"""What a living agent has stored: read out of a copy, for it keeps its own file to itself."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from scripts.embedded.process import wait_until

LIMIT_S = 30.0
NAME = "state.db"


@contextlib.contextmanager
def stored_state(state_dir: Path) -> Iterator[sqlite3.Connection]:
    """Its database, as it was at one moment."""
    with tempfile.TemporaryDirectory() as made:
        copy = Path(made)
        wait_until(lambda: _copied(state_dir, copy), limit_s=LIMIT_S, what="the agent writes nothing for a moment")
        with contextlib.closing(sqlite3.connect(copy / NAME)) as database:
            yield database


def _copied(state_dir: Path, copy: Path) -> bool:
    """Copy the file and its log, which belong together; False where the agent wrote meanwhile."""
    before = _written(state_dir)
    for name in before:
        shutil.copy(state_dir / name, copy)
    return _written(state_dir) == before


def _written(state_dir: Path) -> dict[str, tuple[int, int]]:
    # The shared memory beside them is made anew from these.
    files = [file for file in (state_dir / NAME, state_dir / f"{NAME}-wal") if file.exists()]
    return {file.name: (file.stat().st_mtime_ns, file.stat().st_size) for file in files}
