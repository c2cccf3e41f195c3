"""How much room a fleet has: each disk counted once, however many pools and hosts show it."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass

from poolfleet.inventory.connected import connected
from poolfleet.inventory.model import InventoryStorage


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Sums over disks whose sizes are known."""

    capacity_bytes: int
    allocation_bytes: int
    available_bytes: int


def room(storages: Iterable[InventoryStorage]) -> Room:
    """Add up storages: those with a file system of one host in common are one disk, which counts as the largest."""
    disks = [_largest(disk) for disk in connected(storages, _names)]
    return Room(
        capacity_bytes=sum(disk.capacity_bytes or 0 for disk in disks),
        allocation_bytes=sum(disk.allocation_bytes or 0 for disk in disks),
        available_bytes=sum(disk.available_bytes or 0 for disk in disks),
    )


def _names(storage: InventoryStorage) -> Iterator[Hashable]:
    yield storage.storage_id
    yield from storage.filesystems


def _largest(disk: list[InventoryStorage]) -> InventoryStorage:
    return max(disk, key=lambda storage: (storage.capacity_bytes or 0, storage.storage_id))
