"""A lock for each key, for as long as somebody holds it or waits for it: names that nobody uses take no memory."""

import asyncio
from collections.abc import Hashable
from weakref import WeakValueDictionary


class Locks:
    """Locks by key, each of which `most` may hold at once; who waits comes in the order of asking."""

    def __init__(self, most: int = 1) -> None:
        """None yet."""
        self._most = most
        self._locks: WeakValueDictionary[Hashable, asyncio.Semaphore] = WeakValueDictionary()

    def of(self, key: Hashable) -> asyncio.Semaphore:
        """The key's lock; to be entered at once."""
        return self._locks.setdefault(key, asyncio.Semaphore(self._most))

    def __len__(self) -> int:
        """How many there are."""
        return len(self._locks)
