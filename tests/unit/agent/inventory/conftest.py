"""A host whose inventory is looked at."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.unit.agent.fake_host import FakeHost, pool_facts


@pytest.fixture
async def host() -> AsyncIterator[FakeHost]:
    """Of one pool with two volumes, which was seen; what is asked of its libvirt is counted from then."""
    host = FakeHost()
    host.hypervisor.add(pool_facts("p"), "a", "b")
    await host.looker.all_pools()
    host.hypervisor.called.clear()
    yield host
    await host.looker.close()
