"""Which starts and stops that libvirt tells of are our own calls': their events look like those of a person's virsh.

A refresh that fails is among them, as it makes libvirt stop the pool. An event may be told before our call has returned
or a little after, and is judged only once the pool was looked at: so each call that changed something owes one event of
its kind, heard since it began and not long after it ended.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from poolfleet_agent.model.errors import ModelError, NotAskedError, Reason
from poolfleet_agent.model.ports import Clock, PoolEvent, PoolEventKind

LATE_S = 5.0
"""An event that comes later than this after our call is another's, also on a busy host."""

LATEST_S = 30.0
"""The same after a call that was not waited for to its end: libvirt may be at it still."""

_MOST_OWED = 8
"""Of one pool, where libvirt's connection is lost again and again and its events with it."""

_NOTHING_BEGAN = frozenset({Reason.POOL_NOT_ACTIVE, Reason.POOL_NOT_FOUND, Reason.AGENT_NOT_AUTHORIZED})

_AT_WORK_IN_POOL = ("asynchronous jobs running", "is starting up")
"""libvirt's words where it begins nothing. A file that is busy is RESOURCE_BUSY too, and ends a refresh."""

_NOT_ENDED = frozenset({Reason.OPERATION_TIMED_OUT, Reason.LIBVIRT_UNAVAILABLE})


@dataclass(frozen=True, slots=True)
class Owed:
    """An event that one of our calls leads to, heard between these points of a clock that nobody sets.

    `wished`: somebody wished it of the agent, later than what was heard before it.
    """

    kind: PoolEventKind
    since_s: float
    until_s: float
    wished: bool = False


@dataclass(kw_only=True)
class OwnChanges:
    """Our calls that are under way, and the events that those which have returned still owe, by pool."""

    clock: Clock
    _began_s: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    _owed: dict[str, list[Owed]] = field(default_factory=dict)

    @contextmanager
    def refreshing(self, pool: str) -> Iterator[None]:
        """Around a refresh: where it fails, libvirt has stopped the pool."""
        with self._at_work(pool) as began_s:
            try:
                yield
            except BaseException as error:
                if not _nothing_began(error):
                    self._owe(pool, PoolEventKind.STOPPED, began_s, has_ended=_has_ended(error))
                raise

    @contextmanager
    def changing(self, pool: str, kind: PoolEventKind, *, wished: bool) -> Iterator[None]:
        """Around a start or a stop, which changes nothing where it raises, but for one that libvirt may be at still."""
        with self._at_work(pool) as began_s:
            try:
                yield
            except BaseException as error:
                if not _has_ended(error):
                    self._owe(pool, kind, began_s, has_ended=False, wished=wished)
                raise
            self._owe(pool, kind, began_s, has_ended=True, wished=wished)

    def may_explain(self, pool: str, *, heard_at_s: float) -> bool:
        """Whether a call is under way that may have led to what was heard then: how it ends tells."""
        return any(began_s <= heard_at_s for began_s in self._began_s.get(pool, ()))

    def explain(self, event: PoolEvent, *, heard_at_s: float) -> Owed | None:
        """What of ours an event comes from, told once; None: nothing. Events are to be asked about in their order."""
        owed = [one for one in self._owed.pop(event.pool, ()) if heard_at_s <= one.until_s]
        found = next((one for one in owed if one.kind is event.kind and one.since_s <= heard_at_s), None)
        if left := [one for one in owed if one is not found]:
            self._owed[event.pool] = left
        return found

    @contextmanager
    def _at_work(self, pool: str) -> Iterator[float]:
        began_s = self.clock.monotonic_s()
        self._began_s[pool].append(began_s)
        try:
            yield began_s
        finally:
            self._began_s[pool].remove(began_s)
            if not self._began_s[pool]:
                del self._began_s[pool]

    def _owe(self, pool: str, kind: PoolEventKind, began_s: float, *, has_ended: bool, wished: bool = False) -> None:
        until_s = self.clock.monotonic_s() + (LATE_S if has_ended else LATEST_S)
        owed = self._owed.setdefault(pool, [])
        owed.append(Owed(kind, began_s, until_s, wished))
        del owed[:-_MOST_OWED]


def _has_ended(error: BaseException) -> bool:
    return isinstance(error, NotAskedError) or (isinstance(error, ModelError) and error.reason not in _NOT_ENDED)


def _nothing_began(error: BaseException) -> bool:
    if not isinstance(error, ModelError) or isinstance(error, NotAskedError):
        return isinstance(error, NotAskedError)
    is_busy = error.reason is Reason.RESOURCE_BUSY and any(words in error.message for words in _AT_WORK_IN_POOL)
    return is_busy or error.reason in _NOTHING_BEGAN
