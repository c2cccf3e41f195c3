"""How long and how often a start tries to mount a network share."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How a start goes on trying to mount a network share. None: as the agent is configured."""

    deadline_s: float | None = None
    """How long, more than 0 and up to 3600."""
    attempts: int | None = None
    """How often at most; 0: as often as the deadline allows."""
    first_delay_s: float | None = None
    """The wait after the first attempt; it doubles, with jitter."""
    longest_delay_s: float | None = None
    """The longest wait between two attempts."""
