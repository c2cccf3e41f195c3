"""Whether a host is worth asking: a circuit that opens when its host cannot be reached several times in a row.

While it is open, calls to the host end at once instead of each waiting for its own deadline. After a delay, which
differs from host to host so that a whole fleet does not come back in one moment, one call is let through; it closes
the circuit or doubles the delay.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from poolfleet.types.errors import PoolfleetError


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitPolicy:
    """When a circuit opens, and for how long."""

    failures: int = 3
    """Connection failures in a row that open it."""
    first_delay_s: float = 2.0
    """Mean delay before the first trial."""
    longest_delay_s: float = 60.0
    """The delay doubles with each failed trial up to this mean."""


class Circuit:
    """The circuit of one host. Not safe for threads: it belongs to one event loop."""

    def __init__(
        self,
        policy: CircuitPolicy | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = lambda: random.uniform(0.5, 1.5),
    ) -> None:
        self._policy = policy or CircuitPolicy()
        self._clock = clock
        self._jitter = jitter
        self._failures = 0
        self._trial_at: float | None = None
        self._trying = False
        self.last_error: PoolfleetError | None = None
        """Why the host could not be reached the last time; None while it can."""

    @property
    def is_open(self) -> bool:
        """Whether the host is taken for unreachable."""
        return self._trial_at is not None

    def admit(self) -> bool:
        """Whether a call may go to the host now. Who is admitted reports `reached`, `not_reached` or `abandoned`."""
        if self._trial_at is None:
            return True
        if self._trying or self._clock() < self._trial_at:
            return False
        self._trying = True
        return True

    def reached(self) -> None:
        """The host answered, with whatever."""
        self._failures, self._trial_at, self._trying, self.last_error = 0, None, False, None

    def not_reached(self, error: PoolfleetError) -> None:
        """No connection, or no answer on it."""
        self._failures += 1
        self._trying = False
        self.last_error = error
        beyond = self._failures - self._policy.failures
        if beyond >= 0:
            # Beyond 2**30 the longest delay has long been reached, and floats overflow.
            mean_s = min(self._policy.first_delay_s * 2 ** min(beyond, 30), self._policy.longest_delay_s)
            self._trial_at = self._clock() + mean_s * self._jitter()

    def abandoned(self) -> None:
        """The call ended before anything was learned of the host, as when its caller was cancelled."""
        self._trying = False
