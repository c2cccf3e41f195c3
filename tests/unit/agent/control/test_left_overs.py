"""What agents that died left in the folders of pools is removed once nobody can be at work for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from poolfleet_agent.control.journal import Journal
from poolfleet_agent.control.left_overs import LeftOvers
from poolfleet_agent.model.operation import Operation, OperationKind, OperationState
from poolfleet_agent.model.pool import HealthStatus
from poolfleet_agent.model.reservation import Holder
from poolfleet_agent.model.share_user import ShareUser
from tests.unit.agent.fake_host import FakeHost, use_case_host
from tests.unit.agent.memory_operations import MemoryOperations

DAY_S = 24 * 3600.0
RESERVATION = "/pools/p/.poolfleet-reserve.v"


def reserved_by(agent_id: str, operation_id: str) -> bytes:
    return Holder(agent_id=agent_id, operation_id=operation_id, host="h", created=1.0).content()


def operation(operation_id: str) -> Operation:
    return Operation(
        id=operation_id, kind=OperationKind.CREATE_VOLUME, pool="p", volume="v", state=OperationState.FAILED
    )


@pytest.fixture
async def left_overs(fake: FakeHost) -> LeftOvers:
    store = MemoryOperations()
    await store.save(operation("earlier"))
    journal = Journal(store=store)
    await journal.load()
    await journal.begin(operation("now"), None)
    return LeftOvers(host=use_case_host(fake), journal=journal)


@pytest.mark.parametrize(
    ("name", "content", "age_s", "stays"),
    [
        (".poolfleet-reserve.v", reserved_by("agent", "earlier"), 0.0, False),
        (".poolfleet-reserve.v", reserved_by("agent", "forgotten"), 0.0, False),
        (".poolfleet-reserve.v", reserved_by("agent", "now"), 2 * DAY_S, True),
        (".poolfleet-reserve.v", reserved_by("another", "theirs"), DAY_S - 60, True),
        (".poolfleet-reserve.v", reserved_by("another", "theirs"), DAY_S + 60, False),
        (".poolfleet-reserve.v", b"", 660.0, False),
        (".poolfleet-new.earlier", b"", 0.0, False),
        (".poolfleet-new.theirs", b"", DAY_S - 60, True),
        (".poolfleet-new.theirs", b"", DAY_S + 60, False),
        (".poolfleet-clock.0", b"", DAY_S + 60, False),
        (".poolfleet", b"", 2 * DAY_S, True),
        ("v", b"", 2 * DAY_S, True),
    ],
    ids=[
        "our earlier life's", "our own, forgotten", "ours, of now", "another's", "another's, a day old",
        "never written", "our earlier new file", "another's new file", "another's new file, a day old",
        "an old clock", "the storage's marker", "a volume",
    ],
)  # fmt: skip
async def test_what_is_removed(
    fake: FakeHost, left_overs: LeftOvers, name: str, content: bytes, age_s: float, stays: bool
) -> None:
    fake.files.kept[f"/pools/p/{name}"] = content
    fake.files.clock_now_s += age_s
    assert await left_overs.sweep()
    assert (f"/pools/p/{name}" in fake.files.kept) is stays


async def test_this_host_s_own_clock_says_nothing_of_age(fake: FakeHost, left_overs: LeftOvers) -> None:
    fake.files.kept[RESERVATION] = reserved_by("another", "theirs")
    fake.clock.time_s += 10 * DAY_S
    await left_overs.sweep()
    assert RESERVATION in fake.files.kept


async def test_a_share_that_does_not_answer_is_left_alone(fake: FakeHost, left_overs: LeftOvers) -> None:
    fake.files.kept[RESERVATION] = reserved_by("agent", "earlier")
    fake.watch.mount("/pools/p", "server:/export")
    fake.watch.become("/pools/p", HealthStatus.UNRESPONSIVE)
    await left_overs.sweep()
    assert RESERVATION in fake.files.kept


async def test_an_agent_that_only_observes_removes_nothing(fake: FakeHost, left_overs: LeftOvers) -> None:
    fake.files.kept[RESERVATION] = reserved_by("agent", "earlier")
    left_overs.host = use_case_host(fake, observe_only=True)
    await left_overs.sweep()
    assert RESERVATION in fake.files.kept


async def test_nothing_is_decided_before_the_host_was_looked_at(fake: FakeHost, left_overs: LeftOvers) -> None:
    fake.registry.seen.clear()
    assert not await left_overs.sweep()


@pytest.mark.parametrize(("age_s", "stays"), [(DAY_S - 60, True), (DAY_S + 60, False)])
async def test_what_cannot_be_read_may_be_of_one_who_is_at_work_and_holds_up_nothing_else(
    fake: FakeHost, left_overs: LeftOvers, age_s: float, stays: bool
) -> None:
    fake.files.kept = {RESERVATION: reserved_by("another", "theirs"), "/pools/p/.poolfleet-new.earlier": b""}
    fake.files.private[RESERVATION] = ShareUser(uid=1000, gid=100)
    fake.files.clock_now_s += age_s
    await left_overs.sweep()
    assert list(fake.files.kept) == ([RESERVATION] if stays else [])


async def test_nothing_is_removed_where_the_folder_is_on_another_device_than_the_share(
    fake: FakeHost, left_overs: LeftOvers
) -> None:
    fake.files.kept[RESERVATION] = reserved_by("agent", "earlier")
    fake.watch.mount("/pools/p", "server:/export")
    fake.files.lies_on = "8:1"
    await left_overs.sweep()
    assert RESERVATION in fake.files.kept


async def test_a_reservation_stays_while_the_volume_is_owed_that_it_tells_of(fake: FakeHost) -> None:
    store = MemoryOperations()
    await store.save(replace(operation("owed"), debris="{}"))
    journal = Journal(store=store)
    await journal.load()
    fake.files.kept[RESERVATION] = reserved_by("agent", "owed")
    left_overs = LeftOvers(host=use_case_host(fake), journal=journal)
    await left_overs.sweep()
    assert list(fake.files.kept) == [RESERVATION]
    await journal.settle("owed")
    await left_overs.sweep()
    assert fake.files.kept == {}
