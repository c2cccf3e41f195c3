"""The clocks tell this machine's time."""

from __future__ import annotations

import time

from poolfleet_agent.model.ports import Clock
from poolfleet_agent.server.clock import SystemClock


def test_the_wall_clock_is_the_machines() -> None:
    clock: Clock = SystemClock()
    assert abs(clock.now_s() - time.time()) < 60


def test_the_monotonic_clock_never_goes_back() -> None:
    readings = [SystemClock().monotonic_s() for _ in range(1000)]
    assert readings == sorted(readings)
