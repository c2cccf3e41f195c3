"""Which paths of backing files are told to be links: those that lead to what nobody finds by their own words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from poolfleet_agent.model.pool import HealthStatus
from poolfleet_agent.model.volume import BackingStore
from tests.unit.agent.fake_host import FakeHost, pool_facts, volume_facts


@pytest.fixture
async def fake() -> AsyncIterator[FakeHost]:
    """The pools `p`, whose target is a link to /data, and `q`, which is on a share."""
    fake = FakeHost()
    fake.hypervisor.add(pool_facts("p"), "base")
    fake.hypervisor.add(pool_facts("q"))
    fake.files.links["/pools/p"] = "/data"
    fake.watch.mount("/pools/q", "server:/q")
    await fake.looker.all_pools()
    yield fake
    await fake.looker.close()


async def told(fake: FakeHost, *paths: str) -> tuple[tuple[str, str], ...]:
    """What is told of a pool whose volumes lie on these, after a look."""
    fake.hypervisor.volumes["p"] = {
        f"top{number}": replace(
            volume_facts("p", f"top{number}"), format="qcow2", backing_store=BackingStore(path=path, format="raw")
        )
        for number, path in enumerate(paths)
    }
    return (await fake.looker.pool("p")).pool.backing_links


async def test_a_link_of_another_name_is_told_by_the_name_that_a_pool_has(fake: FakeHost) -> None:
    fake.files.links |= {"/links/golden": "/data/base", "/links/other": "/far/away", "/pools/p/base": "/data/real"}
    assert await told(fake, "/links/golden", "/links/other", "/pools/p/base") == (
        ("/links/golden", "/pools/p/base"),
        ("/links/other", "/far/away"),
        ("/pools/p/base", "/pools/p/real"),
    )


async def test_what_is_found_by_its_own_words_is_not_told(fake: FakeHost) -> None:
    fake.files.links["/links"] = "/data"
    assert await told(fake, "/pools/p/base", "/links/base", "/far/base", "nbd://server/base") == ()


async def test_what_no_volume_can_be_called_is_not_told(fake: FakeHost) -> None:
    fake.files.links["/links/golden"] = "/data/caf\udce9"
    assert await told(fake, "/links/golden") == ()


async def test_a_link_that_leads_elsewhere_now_is_told_anew(fake: FakeHost) -> None:
    fake.files.links["/links/golden"] = "/data/base"
    await told(fake, "/links/golden")
    fake.files.links["/links/golden"] = "/data/other"
    assert await told(fake, "/links/golden") == (("/links/golden", "/pools/p/other"),)
    del fake.files.links["/links/golden"]
    assert await told(fake, "/links/golden") == ()


async def test_a_link_on_a_share_is_followed_while_that_answers_and_then_stays_as_it_was(fake: FakeHost) -> None:
    fake.files.links["/pools/q/golden"] = "/pools/q/base"
    assert await told(fake, "/pools/q/golden") == (("/pools/q/golden", "/pools/q/base"),)
    fake.watch.become("/pools/q", HealthStatus.UNRESPONSIVE)
    fake.files.links["/pools/q/golden"] = "/pools/q/other"
    assert await told(fake, "/pools/q/golden") == (("/pools/q/golden", "/pools/q/base"),)
