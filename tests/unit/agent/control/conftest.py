"""The host of most tests of what changes it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.unit.agent.fake_host import FakeHost, pool_facts


@pytest.fixture
async def fake() -> AsyncIterator[FakeHost]:
    """One that was looked at, with the local pool `p`."""
    fake = FakeHost()
    fake.hypervisor.add(pool_facts("p"))
    await fake.looker.all_pools()
    yield fake
    await fake.looker.close()
