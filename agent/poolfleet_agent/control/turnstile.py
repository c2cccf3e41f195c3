"""Where a crowd comes for one thing, one at a time passes, and not one on another's heels: others come between them."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from weakref import WeakValueDictionary


@dataclass(eq=False)
class _Queue:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    last_took_s: float = 0.0


class Turnstile:
    """Queues by key. Who had to wait rests before its turn, for `rest` times as long as the last one took."""

    def __init__(self, *, rest: float, longest_rest_s: float) -> None:
        """Nobody waits yet."""
        self._rest = rest
        self._longest_rest_s = longest_rest_s
        self._queues: WeakValueDictionary[Hashable, _Queue] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, key: Hashable) -> AsyncIterator[None]:
        """Be alone of this key within the block; who waits comes in the order of asking."""
        now_s = asyncio.get_running_loop().time
        queue = self._queues.setdefault(key, _Queue())
        had_to_wait = queue.lock.locked()
        async with queue.lock:
            if had_to_wait:
                await asyncio.sleep(min(self._rest * queue.last_took_s, self._longest_rest_s))
            began_s = now_s()
            try:
                yield
            finally:
                queue.last_took_s = now_s() - began_s
