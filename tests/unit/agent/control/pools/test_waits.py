"""How long a start waits between two attempts to mount."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tenacity import RetryCallState

from poolfleet_agent.control.pools.mounting import wait_of
from poolfleet_agent.model.mount_failure import RetryPolicy

DELAYS_S = st.floats(min_value=0.001, max_value=3600)


def wait_s(policy: RetryPolicy, attempt: int) -> float:
    nothing: Any = None
    state = RetryCallState(retry_object=nothing, fn=nothing, args=(), kwargs={})
    state.attempt_number = attempt
    return wait_of(policy)(state)


@given(first_s=DELAYS_S, longest_s=DELAYS_S, attempt=st.integers(min_value=1, max_value=2000))
def test_no_wait_is_longer_than_the_longest(first_s: float, longest_s: float, attempt: int) -> None:
    policy = RetryPolicy(first_delay_s=first_s, longest_delay_s=longest_s)
    waited_s = wait_s(policy, attempt)
    assert min(first_s, longest_s) * 0.999 <= waited_s <= longest_s * 1.001


def test_waits_double_with_jitter() -> None:
    policy = RetryPolicy(first_delay_s=0.5, longest_delay_s=15.0)
    for attempt, lowest_s in ((1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (5, 8.0)):
        waits_s = {wait_s(policy, attempt) for _ in range(50)}
        assert len(waits_s) > 1
        assert all(lowest_s <= each_s <= lowest_s + 0.5 for each_s in waits_s)
