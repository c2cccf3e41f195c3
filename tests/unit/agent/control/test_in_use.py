"""What another volume lies on: as it is now in the host's own folders, and as it was seen where a look is another's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from poolfleet_agent.control.in_use import check_volume_not_in_use
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.pool import PoolState
from poolfleet_agent.model.volume import BackingStore
from tests.unit.agent.fake_host import FakeHost, pool_facts, use_case_host, volume_facts

BASE = "/pools/p/base"


@pytest.fixture
async def based(fake: FakeHost) -> FakeHost:
    """The volume `base` in the pool `p`, beside which is the empty pool `q`."""
    fake.hypervisor.volumes["p"]["base"] = volume_facts("p", "base")
    fake.hypervisor.add(pool_facts("q"))
    await fake.looker.all_pools()
    fake.hypervisor.called.clear()
    return fake


def lay_on_it(fake: FakeHost) -> None:
    """An image in `q`, which nobody is told of."""
    facts = volume_facts("q", "top")
    fake.hypervisor.volumes["q"]["top"] = replace(facts, format="qcow2", backing_store=BackingStore(path=BASE))


async def refusal(fake: FakeHost) -> ModelError | None:
    snapshot = fake.registry.snapshot
    entry = snapshot.entry("p")
    try:
        await check_volume_not_in_use(use_case_host(fake), entry, entry.volumes["base"])
    except ModelError as error:
        return error
    assert fake.registry.snapshot.pools is snapshot.pools
    return None


async def test_what_was_just_laid_on_it_counts_and_what_is_gone_does_not(based: FakeHost) -> None:
    assert await refusal(based) is None
    lay_on_it(based)
    refused = await refusal(based)
    assert refused is not None
    assert (refused.reason, refused.metadata["users"]) == (Reason.VOLUME_IN_USE, "volume q/top (backing)")
    await based.looker.pool("q")
    assert await refusal(based) is not None
    del based.hypervisor.volumes["q"]["top"]
    assert await refusal(based) is None


async def test_where_a_folder_cannot_be_looked_at_nothing_is_destroyed(based: FakeHost) -> None:
    based.hypervisor.failing["look_at_folder q"] = ModelError(Reason.PATH_NOT_USABLE, "Input/output error")
    refused = await refusal(based)
    assert refused is not None
    assert refused.reason is Reason.LIBVIRT_UNAVAILABLE
    assert refused.metadata["missing"] == "pool q: Input/output error"


@pytest.mark.parametrize("probed", [True, False])
async def test_a_share_is_not_listed_for_it_and_what_was_seen_there_counts(based: FakeHost, probed: bool) -> None:
    based.watch.mount("/pools/q", "server:/export")
    lay_on_it(based)
    await based.looker.pool("q")
    if not probed:
        based.watch.known.clear()
    based.hypervisor.called.clear()
    refused = await refusal(based)
    assert refused is not None
    assert refused.reason is Reason.VOLUME_IN_USE
    assert "look_at_folder p" in based.hypervisor.called
    assert "look_at_folder q" not in based.hypervisor.called


async def test_the_bare_folder_below_a_share_says_nothing_of_what_lies_on_it(based: FakeHost) -> None:
    based.watch.mount("/pools/q", "server:/export")
    lay_on_it(based)
    await based.looker.pool("q")
    based.watch.unmount("/pools/q")
    based.hypervisor.volumes["q"].clear()
    refused = await refusal(based)
    assert refused is not None
    assert refused.reason is Reason.VOLUME_IN_USE


async def test_a_stopped_pool_is_not_looked_at(based: FakeHost) -> None:
    based.hypervisor.pools["q"] = replace(based.hypervisor.pools["q"], state=PoolState.INACTIVE)
    await based.looker.pool("q")
    based.hypervisor.called.clear()
    assert await refusal(based) is None
    assert "look_at_folder q" not in based.hypervisor.called
