"""A host as a fleet holds it: what its circuit learns of each call."""

from __future__ import annotations

import asyncio

import pytest

from poolfleet.fleet.circuit import Circuit, CircuitPolicy
from poolfleet.fleet.hosts import Host
from poolfleet.fleet.members import Member
from poolfleet.types.errors import DeadlineExceeded, FailedPrecondition, PoolfleetError, Unavailable

LOST = Unavailable("no connection", reason="UNREACHABLE")


@pytest.fixture
def member() -> Member:
    made = Member(Host(name="a", target="unix:/nowhere"), per_host=1)
    made.circuit = Circuit(CircuitPolicy(failures=1, first_delay_s=0))
    return made


def call(member: Member, error: BaseException | None) -> None:
    with member.reaching():
        if error is not None:
            raise error


@pytest.mark.parametrize("error", [LOST, DeadlineExceeded("too late", reason="DEADLINE")])
def test_no_answer_counts_against_the_host(member: Member, error: PoolfleetError) -> None:
    with pytest.raises(type(error)):
        call(member, error)
    assert member.circuit.is_open


@pytest.mark.parametrize(
    "error", [FailedPrecondition("in use", reason="POOL_IN_USE"), Unavailable("busy", reason="LIBVIRT_UNAVAILABLE")]
)
def test_an_answer_that_is_an_error_shows_that_the_host_is_there(member: Member, error: PoolfleetError) -> None:
    member.circuit.not_reached(LOST)
    with pytest.raises(type(error)):
        call(member, error)
    assert not member.circuit.is_open


@pytest.mark.parametrize("error", [asyncio.CancelledError(), ValueError("a fault of the caller's")])
def test_what_says_nothing_of_the_host_leaves_the_next_trial_free(member: Member, error: BaseException) -> None:
    member.circuit.not_reached(LOST)
    with pytest.raises(type(error)):
        call(member, error)
    assert member.circuit.is_open
    call(member, None)
    assert not member.circuit.is_open


def test_an_open_circuit_tells_why_it_is_open() -> None:
    member = Member(Host(name="a", target="unix:/nowhere"), per_host=1)
    member.circuit = Circuit(CircuitPolicy(failures=1, first_delay_s=999))
    with pytest.raises(Unavailable):
        call(member, LOST)
    with pytest.raises(Unavailable, match="no connection") as caught:
        call(member, None)
    assert caught.value.host == "a"
