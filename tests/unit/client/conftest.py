"""A stub agent and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from poolfleet.aio import AgentClient
from tests.unit.client.stub_agent import StubAgent


@pytest.fixture
async def stub() -> AsyncIterator[StubAgent]:
    async with StubAgent() as agent:
        yield agent


@pytest.fixture
async def client(stub: StubAgent) -> AsyncIterator[AgentClient]:
    async with AgentClient(stub.target, name="kvm1", timeout_s=20) as made:
        yield made
