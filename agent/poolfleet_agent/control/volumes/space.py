"""What is being created counts as taken: two creations at once must not both be promised the last free bytes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Promises:
    """Bytes that volumes at work will take, by pool."""

    _bytes: dict[str, int] = field(default_factory=dict)

    def of(self, pool: str) -> int:
        """Bytes promised in a pool."""
        return self._bytes.get(pool, 0)

    @contextmanager
    def hold(self, pool: str, size_bytes: int) -> Iterator[None]:
        """Promise bytes for as long as the work lasts."""
        self._bytes[pool] = self.of(pool) + size_bytes
        try:
            yield
        finally:
            self._bytes[pool] -= size_bytes
            if not self._bytes[pool]:
                del self._bytes[pool]
