"""Volumes of several storages that have one name, or hold the same by the ids in their headers.

They are left over from a move, or wait to be taken for each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from poolfleet.inventory.model import Duplicate, InventoryVolume

_Content: TypeAlias = tuple[str, int | None]


def duplicates(volumes: Iterable[InventoryVolume], conflicts: Iterable[tuple[str, str]]) -> Iterator[Duplicate]:
    """Each such name, in order, then each id of a content. `conflicts`: storages whose ids are not to be trusted, and
    why.

    What lies on one of those may be one file under two ids, of which to delete one would be to lose the other.
    """
    by_name: defaultdict[str, list[InventoryVolume]] = defaultdict(list)
    by_content: defaultdict[_Content, list[InventoryVolume]] = defaultdict(list)
    for volume in volumes:
        by_name[volume.name].append(volume)
        if volume.content_id:
            by_content[_content(volume)].append(volume)
    doubted = dict(conflicts)
    # Few of a million are: of one storage a name is there once, and a copy beside its like is none.
    for name in sorted(name for name, found in by_name.items() if len(found) > 1):
        found = by_name[name]
        # One entry where those that have the name are those that hold the same.
        content = _content(found[0])
        same = by_content.get(content) == found and by_content.pop(content)
        yield _duplicate(found, doubted, name=name, content_id=found[0].content_id if same else "")
    alike = [found for found in by_content.values() if len({volume.storage_id for volume in found}) > 1]
    for found in sorted(alike, key=lambda found: found[0].content_id):
        yield _duplicate(found, doubted, content_id=found[0].content_id)


def _content(volume: InventoryVolume) -> _Content:
    """What is the same where the content is: of VMDK the capacity too, as of a million numbers of 32 bits some are
    alike by chance."""
    of_32_bits = volume.content_id.startswith("vmdk:")
    return volume.content_id, volume.capacity_bytes if of_32_bits else None


def _duplicate(
    found: list[InventoryVolume], doubted: dict[str, str], *, name: str = "", content_id: str = ""
) -> Duplicate:
    doubts = tuple(doubted[volume.storage_id] for volume in found if volume.storage_id in doubted)
    return Duplicate(name=name, content_id=content_id, volumes=tuple(found), doubts=doubts)
