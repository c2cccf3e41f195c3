"""Real hosts for the tests of faults, as the integration tests have them, and their agents by the bare contract."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from scripts.embedded.host import EmbeddedHost
from tests.integration.conftest import host, libvirtd, short_dir
from tests.raw_agent import RawAgent, raw_agent

__all__ = ["agent", "host", "libvirtd", "short_dir"]


@pytest.fixture
async def agent(host: EmbeddedHost) -> AsyncIterator[RawAgent]:
    """The agent of the host."""
    async with raw_agent(host.agent.target) as agent:
        yield agent
