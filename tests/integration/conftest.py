"""Real hosts for the integration tests: a libvirtd of its own, alone or with a poolfleet-agent beside it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.embedded.libvirtd import EmbeddedLibvirtd


@pytest.fixture(scope="session")
def short_dir() -> Iterator[Path]:
    """A folder whose path is short enough for sockets, which pytest's own are not; removed in the end."""
    with tempfile.TemporaryDirectory(prefix="pf-", dir="/tmp") as folder:
        path = Path(folder)
        # libvirt's own users must reach what lies below.
        path.chmod(0o755)
        yield path


@pytest.fixture(scope="session")
def libvirtd(short_dir: Path) -> Iterator[EmbeddedLibvirtd]:
    """One libvirtd for all tests that leave it running and clean up what they define."""
    with EmbeddedLibvirtd(short_dir / "l") as daemon:
        yield daemon
