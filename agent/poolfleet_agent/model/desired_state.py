"""What a pool is meant to be, and how that is first decided."""

from dataclasses import dataclass
from enum import StrEnum


class Desired(StrEnum):
    """The two states that a pool can be meant to have."""

    STARTED = "STARTED"
    STOPPED = "STOPPED"


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredState:
    """Desired state, since when (seconds since the epoch), and what decided it."""

    desired: Desired
    since_s: float
    why: str


def first_sight(*, active: bool, autostart: bool, now_s: float) -> DesiredState:
    """Decide for a pool that was never seen before: STARTED if it is active or autostarted, else STOPPED."""
    if active:
        return DesiredState(desired=Desired.STARTED, since_s=now_s, why="found active")
    if autostart:
        return DesiredState(desired=Desired.STARTED, since_s=now_s, why="autostart")
    return DesiredState(desired=Desired.STOPPED, since_s=now_s, why="found inactive")
