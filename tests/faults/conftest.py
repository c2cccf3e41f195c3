"""Real hosts for the tests of faults, as the integration tests have them."""

from __future__ import annotations

import pytest

from scripts.embedded.free_port import free_port
from tests.integration.conftest import agent, host, host_folder, libvirtd, server, short_dir, slow_host

__all__ = ["agent", "host", "host_folder", "libvirtd", "server", "short_dir", "slow_host"]


@pytest.fixture
def metrics_port() -> int:
    """Where an agent may serve its metrics."""
    return free_port()
