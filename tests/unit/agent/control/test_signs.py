"""Signs of life: in adopted storages alone, anew once a day, never by who observes or below what is no share."""

from __future__ import annotations

from typing import Any

import structlog

from poolfleet_agent.control.signs import TRIED_AGAIN_AFTER_S, SignsOfLife
from poolfleet_agent.model.errors import Reason
from poolfleet_agent.model.pool import HealthStatus
from poolfleet_agent.model.share_user import ROOT
from poolfleet_agent.model.sign_of_life import GIVEN_ANEW_AFTER_S
from tests.unit.agent.fake_host import FakeHost, pool_facts, use_case_host

MARKER = "/pools/p/.poolfleet/storage-id"
SIGN = "/pools/p/.poolfleet/hosts/agent"


async def adopt(fake: FakeHost) -> None:
    fake.files.kept[MARKER] = b"0f1e2d3c-0000-4000-8000-000000000001\n"
    fake.files.folders["/pools/p"] = fake.files.folders["/pools/p/.poolfleet"] = ROOT
    fake.files.folders["/pools/p/."] = ROOT
    await fake.looker.pool("p")


async def mounted(fake: FakeHost) -> None:
    fake.watch.mount("/pools/p", "filer:/export")
    await adopt(fake)


async def test_it_is_left_where_the_storage_is_adopted_and_not_before(fake: Any) -> None:
    fake.watch.mount("/pools/p", "filer:/export")
    await fake.looker.pool("p")
    signs = SignsOfLife(host=use_case_host(fake))
    await signs.leave()
    assert SIGN not in fake.files.kept
    await adopt(fake)
    await signs.leave()
    assert fake.files.kept[SIGN].strip()


async def test_it_is_dated_anew_once_a_day(fake: Any) -> None:
    await mounted(fake)
    signs = SignsOfLife(host=use_case_host(fake))
    await signs.leave()
    content = fake.files.kept[SIGN]
    for passed_s, dated_s in ((GIVEN_ANEW_AFTER_S - 1, None), (1, 2000.0)):
        fake.clock.time_s += passed_s
        fake.files.clock_now_s = 2000.0
        await signs.leave()
        assert fake.files.dates.get(SIGN) == dated_s
    assert fake.files.kept[SIGN] == content


async def test_an_agent_that_starts_again_dates_its_own_anew(fake: Any) -> None:
    await mounted(fake)
    await SignsOfLife(host=use_case_host(fake)).leave()
    fake.files.clock_now_s = 3000.0
    await SignsOfLife(host=use_case_host(fake)).leave()
    assert fake.files.dates[SIGN] == 3000.0


async def test_who_only_observes_leaves_none(fake: Any) -> None:
    await mounted(fake)
    await SignsOfLife(host=use_case_host(fake, observe_only=True)).leave()
    assert SIGN not in fake.files.kept


async def test_a_share_that_takes_no_writes_is_tried_again_later(fake: Any) -> None:
    await mounted(fake)
    fake.watch.become("/pools/p", HealthStatus.FAULTY, Reason.READ_ONLY)
    signs = SignsOfLife(host=use_case_host(fake))
    await signs.leave()
    fake.watch.become("/pools/p", HealthStatus.HEALTHY)
    await signs.leave()
    assert SIGN not in fake.files.kept
    fake.clock.time_s += TRIED_AGAIN_AFTER_S
    await signs.leave()
    assert SIGN in fake.files.kept


async def test_nothing_is_written_below_a_share_that_is_gone_or_another(fake: Any) -> None:
    await mounted(fake)
    fake.files.lies_on = "8:1"
    await SignsOfLife(host=use_case_host(fake)).leave()
    fake.files.lies_on = ""
    fake.watch.unmount("/pools/p")
    await SignsOfLife(host=use_case_host(fake)).leave()
    assert SIGN not in fake.files.kept


async def test_a_link_in_the_markers_place_is_not_followed(fake: Any) -> None:
    await mounted(fake)
    folder = fake.files.folders.pop("/pools/p/.poolfleet")
    signs = SignsOfLife(host=use_case_host(fake))
    with structlog.testing.capture_logs() as logged:
        for _ in range(2):
            await signs.leave()
            fake.clock.time_s += TRIED_AGAIN_AFTER_S
    assert [line["log_level"] for line in logged if "sign of life" in line["event"]] == ["warning", "info"]
    assert SIGN not in fake.files.kept
    fake.files.folders["/pools/p/.poolfleet"] = folder
    await signs.leave()
    assert SIGN in fake.files.kept


async def test_a_stopped_pool_has_none_left(fake: Any) -> None:
    await mounted(fake)
    fake.hypervisor.pools["p"] = pool_facts("p", active=False)
    await fake.looker.pool("p")
    await SignsOfLife(host=use_case_host(fake)).leave()
    assert SIGN not in fake.files.kept
