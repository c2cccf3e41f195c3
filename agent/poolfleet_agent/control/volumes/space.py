"""What is being created counts as taken: two creations at once must not both be promised the last free bytes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What one or several volumes will take: bytes at once, and capacity in the end."""

    at_once_bytes: int = 0
    capacity_bytes: int = 0


@dataclass
class Promises:
    """What volumes at work will take, by pool."""

    _held: dict[str, list[Promise]] = field(default_factory=dict)

    def of(self, pool: str) -> Promise:
        """All that is promised in a pool."""
        held = self._held.get(pool, ())
        return Promise(
            at_once_bytes=sum(one.at_once_bytes for one in held), capacity_bytes=sum(one.capacity_bytes for one in held)
        )

    @contextmanager
    def hold(self, pool: str, promise: Promise) -> Iterator[None]:
        """Promise for as long as the work lasts."""
        held = self._held.setdefault(pool, [])
        held.append(promise)
        try:
            yield
        finally:
            held.remove(promise)
            if not held:
                del self._held[pool]
