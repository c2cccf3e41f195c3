"""Stub agents for the tests of a fleet."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.unit.client.fleet.stub_hosts import Stubs, stub_agents


@pytest.fixture
async def stubs() -> AsyncIterator[Stubs]:
    async with stub_agents() as started:
        yield started
