"""When a mutation is sent again, and after how long. Reads are not repeated here: their channel does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeGuard

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception
from tenacity.wait import wait_exponential, wait_random

from poolfleet.transport.deadline import Deadline
from poolfleet.transport.errors import UNREACHABLE
from poolfleet.types.errors import DeadlineExceeded, PoolfleetError

MOST_ATTEMPTS = 6

# Reasons that pass by themselves, and where another try does no harm. Not among them: what the agent has itself
# tried for long already, and what the caller has to decide.
RETRIED = frozenset(
    {
        UNREACHABLE,
        "AGENT_RESTARTED",
        "AGENT_STOPPING",
        "CANCELLED",  # gRPC's own word for a call that a server had not begun to answer when it stopped
        "LIBVIRT_UNAVAILABLE",
        "NAME_RESERVED",
        "OPERATION_IN_PROGRESS",
        "REGISTRY_NOT_LOADED",
        "RESOURCE_BUSY",
        "SERVER_IN_GRACE",
        "TOO_BUSY",
    }
)

# Those that end with somebody else's work, however long that takes: only the caller's time limits them.
WAITED_FOR = frozenset({"NAME_RESERVED", "OPERATION_IN_PROGRESS"})

_backoff = wait_exponential(multiplier=0.2, max=5) + wait_random(0, 0.2)
_rare_backoff = wait_exponential(multiplier=0.5, max=30) + wait_random(0, 2)


def retrying(deadline: Deadline, *, unless: Callable[[PoolfleetError], bool] = lambda error: False) -> AsyncRetrying:
    """Tries until a deadline; an agent's RetryInfo is waited for, and gives up where it leads past that."""

    def again(error: BaseException) -> bool:
        return passes_by(error) and not unless(error)

    def enough(state: RetryCallState) -> bool:
        """After so many tries, but for waits for somebody else; and where the wait would lead past the deadline."""
        error = _error(state)
        waits = error is not None and error.reason in WAITED_FOR
        # The deadline may be extended meanwhile.
        return (not waits and state.attempt_number >= MOST_ATTEMPTS) or state.upcoming_sleep >= deadline.remaining_s

    return AsyncRetrying(
        retry=retry_if_exception(again),
        wait=_delay_s,
        stop=enough,
        reraise=True,
    )


def reconnecting(*, lost: Callable[[PoolfleetError], None]) -> AsyncRetrying:
    """Tries without end, ever more rarely, while what stands in the way may pass; `lost` hears of the first failure."""

    def told(state: RetryCallState) -> None:
        error = _error(state)
        if state.attempt_number == 1 and error is not None:
            lost(error)

    return AsyncRetrying(retry=retry_if_exception(interrupts), wait=_rare_backoff, before_sleep=told, reraise=True)


def interrupts(error: BaseException) -> TypeGuard[PoolfleetError]:
    """Whether who follows an agent may go on after an error: it passes by itself, or an answer came too late.

    That says nothing of the next answer; but who changes something has had all the time that he gave it.
    """
    return passes_by(error) or isinstance(error, DeadlineExceeded)


def passes_by(error: BaseException) -> TypeGuard[PoolfleetError]:
    """Whether an error is of a reason that passes by itself."""
    return isinstance(error, PoolfleetError) and error.reason in RETRIED


def _error(state: RetryCallState) -> PoolfleetError | None:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, PoolfleetError) else None


def _delay_s(state: RetryCallState) -> float:
    error = _error(state)
    asked = error.retry_delay_s if error is not None else None
    own = _backoff(state)
    return own if asked is None else max(asked, own)
