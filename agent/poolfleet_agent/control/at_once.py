"""So many of something at once and no more: each has children of its own, and who asks too often is told to wait."""

from collections.abc import Iterator
from contextlib import contextmanager

from poolfleet_agent.model.errors import ModelError, Reason

RETRY_DELAY_S = 1.0


class AtOnce:
    """`most` places; `what` they are for, in the plural."""

    def __init__(self, most: int, what: str) -> None:
        self._most = most
        self._what = what
        self._taken = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place within the block: TOO_BUSY where none is free."""
        if self._taken >= self._most:
            message = f"{self._taken} {self._what} are under way already"
            raise ModelError(Reason.TOO_BUSY, message, retry_delay_s=RETRY_DELAY_S)
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
