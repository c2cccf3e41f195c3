"""What the tests of mounts share: children, and mounts of their own where the user is root."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from poolfleet_agent.processes.child import Children


@pytest.fixture
async def children() -> AsyncIterator[Children]:
    children = Children()
    yield children
    await children.close()
