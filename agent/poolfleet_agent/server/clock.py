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

    def uptime_s(self) -> float:
        """Seconds since the host was booted."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)
