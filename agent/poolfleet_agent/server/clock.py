"""The clocks of this machine (model.ports.Clock)."""

import time


class SystemClock:
    """Wall clock and monotonic clock."""

    def now_s(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic_s(self) -> float:
        """Seconds since some point; never goes back."""
        return time.monotonic()
