"""As of when an answer has to be: since it was asked for, which who waited for a turn did a while ago.

A crowd whose checks come one after the other would have libvirt say for each of them what it said for the one before.
What was seen since a request came is as good for it, if that is not long ago. Times are those of a monotonic clock.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

SHARED_S = 0.25
"""Age at which what was seen is too old for anybody who decides by it."""

_asked_at_s: ContextVar[float | None] = ContextVar("asked_at_s", default=None)


@contextmanager
def asked(at_s: float) -> Iterator[None]:
    """Within the block it is for a request that came at this time."""
    token = _asked_at_s.set(at_s)
    try:
        yield
    finally:
        _asked_at_s.reset(token)


def is_new_enough(looked_at_s: float, *, now_s: float) -> bool:
    """Whether what a look has seen that began at `looked_at_s` will do; outside of `asked`, nothing will."""
    at_s = _asked_at_s.get()
    return at_s is not None and max(at_s, now_s - SHARED_S) < looked_at_s
