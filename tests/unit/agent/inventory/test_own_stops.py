"""Stops that nobody wished are told from a person's, whether their event comes before our call is back or after."""

from __future__ import annotations

import pytest

from poolfleet_agent.inventory.own_stops import LATEST_S, OwnStops
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.ports import PoolEvent, PoolEventKind
from tests.unit.agent.fake_host import FakeClock

STOPPED = PoolEvent(kind=PoolEventKind.STOPPED, pool="p")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def stops(clock: FakeClock) -> OwnStops:
    return OwnStops(clock=clock)


def test_a_stop_of_ours_explains_one_event_that_comes_after_it(stops: OwnStops) -> None:
    with stops.stopping("p"):
        pass
    assert stops.takes(STOPPED)
    assert not stops.takes(STOPPED)


def test_or_the_one_that_comes_while_it_lasts(stops: OwnStops) -> None:
    with stops.stopping("p"):
        assert stops.takes(STOPPED)
    assert not stops.takes(STOPPED)


def test_not_one_that_comes_long_after(stops: OwnStops, clock: FakeClock) -> None:
    with stops.stopping("p"):
        pass
    clock.time_s += LATEST_S
    assert not stops.takes(STOPPED)


def test_a_refresh_explains_a_stop_only_where_it_fails(stops: OwnStops) -> None:
    with stops.refreshing("p"):
        pass
    assert not stops.takes(STOPPED)
    with pytest.raises(ValueError, match="stale"), stops.refreshing("p"):
        raise ValueError("stale")
    assert stops.takes(STOPPED)


def test_where_libvirt_was_busy_and_began_no_refresh_the_next_stop_is_a_persons(stops: OwnStops) -> None:
    with pytest.raises(ModelError), stops.refreshing("p"):
        raise ModelError(Reason.RESOURCE_BUSY, "pool 'p' has asynchronous jobs running")
    assert not stops.takes(STOPPED)


def test_what_a_look_saw_run_since_may_be_stopped_by_others_again(stops: OwnStops, clock: FakeClock) -> None:
    for began_after_s, is_ours in ((-1, True), (0, True), (1, False)):
        with pytest.raises(ValueError, match="stale"), stops.refreshing("p"):
            raise ValueError("stale")
        # It may be of one before the refresh.
        assert not stops.takes(PoolEvent(kind=PoolEventKind.STARTED, pool="p"))
        stops.runs_again("p", looked_at_s=clock.monotonic_s() + began_after_s)
        assert stops.takes(STOPPED) is is_ours


def test_nor_is_one_owed_any_more_once_a_later_refresh_succeeds(stops: OwnStops) -> None:
    with pytest.raises(ValueError, match="stale"), stops.refreshing("p"):
        raise ValueError("stale")
    with stops.refreshing("p"):
        pass
    assert not stops.takes(STOPPED)
