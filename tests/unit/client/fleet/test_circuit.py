"""The circuit of a host: opened by connection failures in a row, tried again after a delay."""

from __future__ import annotations

import pytest

from poolfleet.fleet.circuit import Circuit, CircuitPolicy
from poolfleet.types.errors import Unavailable

LOST = Unavailable("no connection", reason="UNREACHABLE")


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def circuit(clock: Clock) -> Circuit:
    policy = CircuitPolicy(failures=3, first_delay_s=2, longest_delay_s=5)
    return Circuit(policy, clock=clock, jitter=lambda: 1.0)


def fail(circuit: Circuit, times: int) -> None:
    for _ in range(times):
        assert circuit.admit()
        circuit.not_reached(LOST)


def test_it_opens_after_that_many_failures_in_a_row(circuit: Circuit) -> None:
    fail(circuit, 2)
    assert circuit.admit() and not circuit.is_open
    circuit.not_reached(LOST)
    assert circuit.is_open and not circuit.admit()
    assert circuit.last_error is LOST


def test_an_answer_in_between_begins_the_count_anew(circuit: Circuit) -> None:
    fail(circuit, 2)
    circuit.reached()
    fail(circuit, 2)
    assert not circuit.is_open


def test_after_the_delay_exactly_one_call_is_let_through(circuit: Circuit, clock: Clock) -> None:
    fail(circuit, 3)
    clock.now_s = 1.9
    assert not circuit.admit()
    clock.now_s = 2.0
    assert [circuit.admit() for _ in range(3)] == [True, False, False]


def test_a_trial_that_succeeds_closes_it(circuit: Circuit, clock: Clock) -> None:
    fail(circuit, 3)
    clock.now_s = 2.0
    assert circuit.admit()
    circuit.reached()
    assert not circuit.is_open and circuit.last_error is None
    assert all(circuit.admit() for _ in range(3))


def test_a_trial_that_fails_doubles_the_delay_up_to_the_longest(circuit: Circuit, clock: Clock) -> None:
    fail(circuit, 3)
    for delay_s in (2.0, 4.0, 5.0, 5.0):
        clock.now_s += delay_s - 0.1
        assert not circuit.admit()
        clock.now_s += 0.1
        fail(circuit, 1)


def test_a_trial_that_is_abandoned_lets_the_next_one_through(circuit: Circuit, clock: Clock) -> None:
    fail(circuit, 3)
    clock.now_s = 2.0
    assert circuit.admit()
    circuit.abandoned()
    assert circuit.admit()


def test_delays_differ_from_host_to_host() -> None:
    delays = set()
    for _ in range(20):
        clock = Clock()
        circuit = Circuit(CircuitPolicy(failures=1, first_delay_s=2), clock=clock)
        fail(circuit, 1)
        while not circuit.admit():
            clock.now_s += 0.01
        delays.add(round(clock.now_s, 2))
    assert len(delays) > 5
    assert 1.0 <= min(delays) and max(delays) <= 3.01
