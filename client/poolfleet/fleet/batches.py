"""Which hosts are worked on together: a first group of one, then groups of a size.

The first group is one host so that a change which harms does so once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

Batch = int | str


def group_size(batch: Batch, count: int) -> int:
    """Hosts in each group: `batch` itself, or that percentage (`"10%"`) of `count`, rounded down, at least 1.

    Raises ValueError where `batch` is neither a positive number nor a percentage from 1 to 100.
    """
    found = re.fullmatch(r"([0-9]{1,9})(%?)", str(batch))
    if not found or not (number := int(found[1])) or (found[2] and number > 100):
        raise ValueError(f"a batch is a number of hosts from 1, or a percentage from 1% to 100%, not {batch!r}")
    return max(1, count * number // 100) if found[2] else number


def groups(items: Sequence[T], batch: Batch | None) -> Iterator[Sequence[T]]:
    """Divide `items` in their order: all at once where `batch` is None, else one item and then groups of its size."""
    if batch is None:
        first, size = len(items), len(items)
    else:
        first, size = 1, group_size(batch, len(items))
    if items:
        yield items[:first]
    for start in range(first, len(items), size or 1):
        yield items[start : start + size]
