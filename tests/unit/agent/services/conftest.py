"""A folder for sockets."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def socket_dir() -> Iterator[Path]:
    """Short enough for a socket's path, which pytest's own folders need not be."""
    with tempfile.TemporaryDirectory(prefix="pf-") as folder:
        yield Path(folder)
