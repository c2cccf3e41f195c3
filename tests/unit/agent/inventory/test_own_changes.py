"""Starts and stops of ours are told from a person's, whether their event comes before the call is back or after."""

from __future__ import annotations

from contextlib import AbstractContextManager

import pytest

from poolfleet_agent.inventory.own_changes import LATE_S, LATEST_S, OwnChanges
from poolfleet_agent.model.errors import ModelError, NotAskedError, Reason
from poolfleet_agent.model.ports import PoolEvent, PoolEventKind
from tests.unit.agent.fake_host import FakeClock

STARTED = PoolEvent(kind=PoolEventKind.STARTED, pool="p")
STOPPED = PoolEvent(kind=PoolEventKind.STOPPED, pool="p")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def own(clock: FakeClock) -> OwnChanges:
    return OwnChanges(clock=clock)


def failed(call: AbstractContextManager[None], reason: Reason = Reason.PATH_NOT_USABLE, message: str = "gone") -> None:
    with pytest.raises(ModelError), call:
        raise ModelError(reason, message)


def test_a_stop_of_ours_explains_one_event_of_its_kind_heard_since_it_began(own: OwnChanges, clock: FakeClock) -> None:
    before_s = clock.time_s
    clock.time_s += 1
    with own.changing("p", PoolEventKind.STOPPED, wished=True):
        clock.time_s += 1
        heard_at_s = clock.time_s
        clock.time_s += 1
    assert not own.explain(STOPPED, heard_at_s=before_s)
    assert not own.explain(STARTED, heard_at_s=heard_at_s)
    assert own.explain(STOPPED, heard_at_s=heard_at_s)
    assert not own.explain(STOPPED, heard_at_s=heard_at_s)


@pytest.mark.parametrize(
    ("reason", "limit_s"), [(Reason.PATH_NOT_USABLE, LATE_S), (Reason.OPERATION_TIMED_OUT, LATEST_S)]
)
def test_one_that_comes_long_after_is_anothers_and_libvirt_may_be_long_at_what_was_not_waited_for(
    own: OwnChanges, clock: FakeClock, reason: Reason, limit_s: float
) -> None:
    for late_s, is_ours in ((limit_s, True), (limit_s + 1, False)):
        failed(own.refreshing("p"), reason)
        assert (own.explain(STOPPED, heard_at_s=clock.time_s + late_s) is not None) is is_ours


def test_while_a_call_is_under_way_nobody_knows_whether_it_led_to_what_is_heard_since(
    own: OwnChanges, clock: FakeClock
) -> None:
    with own.refreshing("p"):
        assert own.may_explain("p", heard_at_s=clock.time_s)
        assert not own.may_explain("p", heard_at_s=clock.time_s - 1)
        assert not own.may_explain("q", heard_at_s=clock.time_s)
    assert not own.may_explain("p", heard_at_s=clock.time_s)


def test_a_refresh_explains_a_stop_only_where_it_fails(own: OwnChanges, clock: FakeClock) -> None:
    with own.refreshing("p"):
        pass
    assert not own.explain(STOPPED, heard_at_s=clock.time_s)
    failed(own.refreshing("p"))
    assert own.explain(STOPPED, heard_at_s=clock.time_s)


@pytest.mark.parametrize(
    "error",
    [
        ModelError(Reason.RESOURCE_BUSY, "pool 'p' has asynchronous jobs running"),
        ModelError(Reason.POOL_NOT_ACTIVE, "storage pool 'p' is not active"),
        NotAskedError(Reason.TOO_BUSY, "no libvirt call came free"),
        NotAskedError(Reason.LIBVIRT_UNAVAILABLE, "libvirt is not connected"),
    ],
    ids=lambda error: error.reason.value,
)
def test_what_libvirt_never_began_explains_nothing(own: OwnChanges, clock: FakeClock, error: ModelError) -> None:
    for call in (own.refreshing("p"), own.changing("p", PoolEventKind.STOPPED, wished=True)):
        with pytest.raises(ModelError), call:
            raise error
        assert not own.explain(STOPPED, heard_at_s=clock.time_s)


def test_but_one_that_finds_a_file_busy_does(own: OwnChanges, clock: FakeClock) -> None:
    failed(own.refreshing("p"), Reason.RESOURCE_BUSY, "cannot open volume '/pools/p/v': Device or resource busy")
    assert own.explain(STOPPED, heard_at_s=clock.time_s)


def test_a_start_that_fails_explains_nothing_but_where_libvirt_may_be_at_it_still(
    own: OwnChanges, clock: FakeClock
) -> None:
    failed(own.changing("p", PoolEventKind.STARTED, wished=True))
    assert not own.explain(STARTED, heard_at_s=clock.time_s)
    failed(own.changing("p", PoolEventKind.STARTED, wished=True), Reason.OPERATION_TIMED_OUT)
    assert own.explain(STARTED, heard_at_s=clock.time_s + LATE_S + 1)


def test_of_two_refreshes_at_once_the_stop_is_that_of_the_one_that_failed(own: OwnChanges, clock: FakeClock) -> None:
    with own.refreshing("p"):
        failed(own.refreshing("p"))
        failed(own.refreshing("p"), Reason.POOL_NOT_ACTIVE)
    assert own.explain(STOPPED, heard_at_s=clock.time_s)
    assert not own.explain(STOPPED, heard_at_s=clock.time_s)
