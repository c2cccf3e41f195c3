"""How old an answer is, whichever kind of answer it is."""

from __future__ import annotations

from datetime import datetime

from poolfleet.types.agent import Agent
from poolfleet.types.disk import DomainDisks
from poolfleet.types.pool import Pool
from poolfleet.types.volume import Volume, VolumeListing

# An agent's bound is of the wait between two looks; a look takes time of its own.
_GRACE = 2.0


def looked_at(answer: object) -> tuple[datetime | None, float | None]:
    """When the oldest part of the answer was looked at, and how long before the answer; None where it does not say."""
    match answer:
        case Agent() | DomainDisks() | Pool() | Volume() | VolumeListing():
            return answer.as_of, answer.age_s
        case list() | tuple():
            times = [looked_at(item) for item in answer]
            return min((at for at, _ in times if at), default=None), max(
                (age for _, age in times if age is not None), default=None
            )
        case _:
            return None, None


def is_stale(age_s: float | None, agent: Agent | None) -> bool:
    """Whether an answer is older than its agent promises. What does not say its age is not called stale."""
    return age_s is not None and agent is not None and 0 < agent.limits.staleness_s * _GRACE < age_s
