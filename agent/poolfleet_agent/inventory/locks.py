"""A lock for each key, for as long as somebody holds it or waits for it: names that nobody uses take no memory."""

import asyncio
from collections.abc import Hashable
from weakref import WeakValueDictionary


class Locks:
    """Locks by key; who waits comes in the order of asking."""

    def __init__(self) -> None:
        """None yet."""
        self._locks: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()

    def of(self, key: Hashable) -> asyncio.Lock:
        """The key's lock; to be entered at once."""
        return self._locks.setdefault(key, asyncio.Lock())

    def __len__(self) -> int:
        """How many there are."""
        return len(self._locks)
