"""The clocks."""

from typing import Protocol


class Clock(Protocol):
    """Wall clock and monotonic clock, both in seconds; tests inject their own."""

    def now_s(self) -> float:
        """Seconds since the epoch."""
        ...

    def monotonic_s(self) -> float:
        """Seconds since some point; never goes back."""
        ...

    def uptime_s(self) -> float:
        """Seconds since the host was booted."""
        ...
