"""One at a time for each key: of calls with the same request id the later ones find the record of the first."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Turn:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


@dataclass
class Turns:
    """Locks by key, for as long as somebody holds or awaits them."""

    _turns: dict[Hashable, _Turn] = field(default_factory=dict)

    @asynccontextmanager
    async def of(self, key: Hashable) -> AsyncIterator[None]:
        """Have the key for oneself; released in the order of arrival."""
        turn = self._turns.setdefault(key, _Turn())
        turn.users += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.users -= 1
            if not turn.users:
                del self._turns[key]
