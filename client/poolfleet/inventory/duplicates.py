"""Volumes of several storages that have one name, or hold the same by the ids in their headers.

They are left over from a move, or wait to be taken for each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from poolfleet.inventory.model import Duplicate, InventoryVolume


def duplicates(volumes: Iterable[InventoryVolume], conflicts: Iterable[tuple[str, str]]) -> Iterator[Duplicate]:
    """Each such name, in order, then each id of a content. `conflicts`: storages whose ids are not to be trusted, and
    why.

    What lies on one of those may be one file under two ids, of which to delete one would be to lose the other.
    """
    by_name: defaultdict[str, list[InventoryVolume]] = defaultdict(list)
    by_content: defaultdict[str, list[InventoryVolume]] = defaultdict(list)
    for volume in volumes:
        by_name[volume.name].append(volume)
        if volume.content_id:
            by_content[volume.content_id].append(volume)
    doubted = dict(conflicts)
    for name, found in sorted(by_name.items()):
        if len(found) > 1:  # of one storage it is one name, once
            # One entry where those that have the name are those that hold the same.
            content_id = found[0].content_id
            same = by_content.get(content_id) == found and by_content.pop(content_id)
            yield _duplicate(found, doubted, name=name, content_id=content_id if same else "")
    for content_id, found in sorted(by_content.items()):
        if len({volume.storage_id for volume in found}) > 1:
            yield _duplicate(found, doubted, content_id=content_id)


def _duplicate(
    found: list[InventoryVolume], doubted: dict[str, str], *, name: str = "", content_id: str = ""
) -> Duplicate:
    doubts = tuple(doubted[volume.storage_id] for volume in found if volume.storage_id in doubted)
    return Duplicate(name=name, content_id=content_id, volumes=tuple(found), doubts=doubts)
