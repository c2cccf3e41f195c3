"""Which STOPPED events are nobody's wish: a refresh that fails makes libvirt stop the pool, and its event looks like
that of a person's pool-destroy. It may be told before our call has returned, or a little after.
"""

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.ports import Clock, PoolEvent, PoolEventKind

LATEST_S = 30.0
"""An event that comes later than this after a failed refresh is another's."""


@dataclass(kw_only=True)
class OwnStops:
    """Refreshes and stops of ours that are under way, and stops that failed refreshes still owe."""

    clock: Clock
    _refreshing: Counter[str] = field(default_factory=Counter)
    _heard: set[str] = field(default_factory=set)
    _owed_since_s: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def refreshing(self, pool: str) -> Iterator[None]:
        """While it lasts, a stop of the pool is the refresh's; where it fails, so is the next one soon after."""
        with self._at_work(pool):
            yield
            # What an earlier one had stopped was started again.
            self._owed_since_s.pop(pool, None)

    @contextmanager
    def stopping(self, pool: str) -> Iterator[None]:
        """As refreshing, for a stop of ours that nobody wished: its event is owed where it succeeds."""
        with self._at_work(pool):
            yield
            self._owe(pool)

    def takes(self, event: PoolEvent) -> bool:
        """Whether an event is explained by a refresh or a stop of ours; a stop that was owed is explained once."""
        if event.kind is not PoolEventKind.STOPPED:
            return False
        if self._refreshing[event.pool]:
            self._heard.add(event.pool)
            return True
        return self.clock.monotonic_s() < self._owed_since_s.pop(event.pool, -math.inf) + LATEST_S

    def runs_again(self, pool: str, *, looked_at_s: float) -> None:
        """A pool was started, and a look that began then saw it run: the next stop is its starter's.

        Neither its event, which may be late, nor a look from before the stop that is owed tells of a start since.
        """
        if self._owed_since_s.get(pool, math.inf) < looked_at_s:
            del self._owed_since_s[pool]

    @contextmanager
    def _at_work(self, pool: str) -> Iterator[None]:
        self._refreshing[pool] += 1
        self._heard.discard(pool)
        try:
            yield
        except BaseException as error:
            if not _nothing_began(error):
                self._owe(pool)
            raise
        finally:
            self._refreshing[pool] -= 1
            if not self._refreshing[pool]:
                del self._refreshing[pool]

    def _owe(self, pool: str) -> None:
        if pool not in self._heard:
            self._owed_since_s[pool] = self.clock.monotonic_s()


def _nothing_began(error: BaseException) -> bool:
    """Whether libvirt was busy in the pool, and so has refreshed and stopped nothing."""
    return isinstance(error, ModelError) and error.reason is Reason.RESOURCE_BUSY
