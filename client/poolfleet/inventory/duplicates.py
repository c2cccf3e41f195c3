"""Volumes of one name on several storages: left over from a move, or waiting to be taken for each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from poolfleet.inventory.model import Duplicate, InventoryVolume


def duplicates(volumes: Iterable[InventoryVolume], conflicts: Iterable[tuple[str, str]]) -> Iterator[Duplicate]:
    """Each such name, in order. `conflicts`: storages whose ids are not to be trusted, and why.

    What lies on one of those may be one file under two ids, of which to delete one would be to lose the other.
    """
    by_name: defaultdict[str, list[InventoryVolume]] = defaultdict(list)
    for volume in volumes:
        by_name[volume.name].append(volume)
    doubted = dict(conflicts)
    for name, found in sorted(by_name.items()):
        if len(found) > 1:
            doubts = tuple(doubted[volume.storage_id] for volume in found if volume.storage_id in doubted)
            yield Duplicate(name=name, volumes=tuple(found), doubts=doubts)
