"""How long what ended is kept: by the wall clock, as far as that can be believed.

Request ids that were forgotten early would let a change be done twice. So where the wall clock jumps forwards, nothing
becomes older by that: the jump counts only when it has stood for as long as things are kept. It may have jumped while
no agent ran, as on a host that boots with another clock: so a new agent goes on from the time that the last one
believed, and what has passed in between counts as late as a jump does.
"""

from collections import deque
from dataclasses import dataclass, field

from poolfleet_agent.model.ports import BelievedTimeStore, Clock


@dataclass(kw_only=True)
class Retention:
    """What ended longer ago than `kept_s` may be forgotten; to be asked from time to time, more often than that."""

    clock: Clock
    store: BelievedTimeStore
    kept_s: float
    _ahead: deque[tuple[float, float]] = field(default_factory=deque)
    """When it was asked, by the monotonic clock, and by how much the wall clock was ahead of that one."""

    async def ended_before_s(self) -> float:
        """Whatever ended before this point of the wall clock may be forgotten. Raises what the store does."""
        if not self._ahead and (believed_s := await self.store.load()) is not None:
            self._note(believed_s)
        self._note(self.clock.now_s())
        now_s = self.clock.monotonic_s()
        while self._ahead[0][0] < now_s - self.kept_s:
            self._ahead.popleft()
        believed_s = now_s + min(ahead_s for _, ahead_s in self._ahead)
        await self.store.save(believed_s)
        return believed_s - self.kept_s

    def _note(self, wall_s: float) -> None:
        now_s = self.clock.monotonic_s()
        self._ahead.append((now_s, wall_s - now_s))
