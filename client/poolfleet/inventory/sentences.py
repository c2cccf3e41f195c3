"""How much of a long list is said."""

from __future__ import annotations

from collections.abc import Sequence


def shortened(words: Sequence[str], *, most: int, between: str = "; ") -> str:
    """The first of them, and how many more there are."""
    more = len(words) - most
    return between.join(words[:most]) + (f" and {more} more" if more > 0 else "")
