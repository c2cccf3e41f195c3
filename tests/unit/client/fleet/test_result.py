"""What outcomes come to together."""

from __future__ import annotations

import pytest

from poolfleet.fleet.result import FleetError, FleetResult, Outcome, Status
from poolfleet.types.errors import FailedPrecondition, PoolfleetError, Unavailable


def result(*outcomes: Outcome[int]) -> FleetResult[int]:
    return FleetResult(outcomes)


OK = Outcome(host="a", status=Status.OK, value=1)
CHANGED = Outcome(host="b", status=Status.CHANGED, value=2)
FAILED: Outcome[int] = Outcome(host="c", status=Status.FAILED, error=FailedPrecondition("in use", reason="POOL_IN_USE"))
GONE: Outcome[int] = Outcome(host="d", status=Status.UNREACHABLE, error=Unavailable("no route", reason="UNREACHABLE"))
SKIPPED: Outcome[int] = Outcome(host="e", status=Status.SKIPPED)


def test_values_are_those_of_hosts_that_ended_well() -> None:
    assert dict(result(OK, CHANGED, FAILED, GONE, SKIPPED).answers()) == {"a": 1, "b": 2}


def test_a_summary_counts_what_there_is() -> None:
    assert result(OK, CHANGED, FAILED, SKIPPED).summary() == "1 ok, 1 changed, 1 failed, 1 skipped"


def test_only_an_answer_of_every_host_is_complete() -> None:
    assert result(OK, CHANGED).complete
    for other in (FAILED, GONE, SKIPPED, Outcome(host="f", status=Status.OK, value=1, stale=True)):
        assert not result(OK, other).complete


def test_a_value_of_none_is_an_answer() -> None:
    done: FleetResult[None] = FleetResult([Outcome(host="a", status=Status.OK)])
    assert dict(done.answers()) == {"a": None}


def test_raising_is_asked_for_and_the_error_has_everything() -> None:
    good = result(OK, CHANGED)
    assert good.raise_for_failures() is good
    bad = result(OK, FAILED, GONE)
    with pytest.raises(FleetError) as caught:
        bad.raise_for_failures()
    assert isinstance(caught.value, PoolfleetError)
    assert caught.value.result is bad
    assert "1 ok, 1 failed, 1 unreachable: c: in use; d: no route" in str(caught.value)


def test_skipped_hosts_alone_are_a_failure_too() -> None:
    with pytest.raises(FleetError):
        result(OK, SKIPPED).raise_for_failures()


def test_an_error_of_many_hosts_stays_short_and_keeps_a_code_that_is_common() -> None:
    error = FleetError(result(*(Outcome(host=f"h{n}", status=Status.FAILED, error=FAILED.error) for n in range(9))))
    assert "and 4 more" in str(error)
    assert error.code == "FAILED_PRECONDITION"
