"""What the tests of all adapters share: children, none of which outlives its test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from poolfleet_agent.processes.child import Children


@pytest.fixture
async def children() -> AsyncIterator[Children]:
    children = Children()
    yield children
    await children.close()
