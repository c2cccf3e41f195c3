"""A moment by which a call of several steps has to be done."""

from __future__ import annotations

from time import monotonic


class Deadline:
    """The time that several steps share."""

    __slots__ = ("_end",)

    def __init__(self, timeout_s: float) -> None:
        self._end = monotonic() + timeout_s

    def extend(self, timeout_s: float) -> None:
        """Leave at least so much time from now on."""
        self._end = max(self._end, monotonic() + timeout_s)

    @property
    def remaining_s(self) -> float:
        """Seconds left; never below 0."""
        return max(0.0, self._end - monotonic())
