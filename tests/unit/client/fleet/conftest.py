"""Stub agents for the tests of a fleet."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from poolfleet.aio import Fleet
from poolfleet.types.agent import Agent
from tests.unit.client.fleet.stub_hosts import Stubs, stub_agents


@pytest.fixture
async def stubs() -> AsyncIterator[Stubs]:
    async with stub_agents() as started:
        yield started


@pytest.fixture
async def answering(stubs: Stubs) -> Agent:
    """An agent as it answers."""
    async with Fleet(await stubs.add("answering")) as fleet:
        return await fleet.client("answering").get()
