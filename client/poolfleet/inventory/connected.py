"""Things that have a name in common belong together, and so does whatever belongs to either."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

T = TypeVar("T")


def connected(items: Iterable[T], names: Callable[[T], Iterable[Hashable]]) -> list[list[T]]:
    """Divide items into the largest groups of which each two are joined by a chain of common names. Order is kept."""
    every = list(items)
    leaders = list(range(len(every)))

    def leader(index: int) -> int:
        while leaders[index] != index:
            leaders[index] = leaders[leaders[index]]
            index = leaders[index]
        return index

    first_with: dict[Hashable, int] = {}
    for index, item in enumerate(every):
        for name in names(item):
            one, other = leader(first_with.setdefault(name, index)), leader(index)
            leaders[max(one, other)] = min(one, other)
    groups: dict[int, list[T]] = {}
    for index, item in enumerate(every):
        groups.setdefault(leader(index), []).append(item)
    return list(groups.values())
