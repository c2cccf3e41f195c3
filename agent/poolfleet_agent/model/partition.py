"""Partitions of a disk: what the kernel calls them, and which of them libvirt cannot remove."""

import re
from collections.abc import Collection

from poolfleet_agent.model.errors import ModelError, invalid_field

NUMBERED_IN_ORDER = frozenset({"gpt"})
"""Partition tables in which a new partition takes the lowest number that is free."""


def partition_name(disk: str, number: int) -> str:
    """The name of a partition's device, by that of its disk."""
    return f"{disk}{_separator(disk)}{number}"


def partition_number(disk: str, partition: str) -> int | None:
    """The number of a partition, by the names of its device and its disk; None: it is none of that disk."""
    found = re.fullmatch(rf"{re.escape(disk + _separator(disk))}([1-9][0-9]*)", partition)
    return int(found[1]) if found else None


def check_new_partition(disk: str, name: str, taken: Collection[str], table: str | None) -> None:
    """Refuse a name that a new partition will not have: INVALID_FIELD.

    libvirt makes the partition, sees then that the name is another, and may leave it there.
    """
    if table in NUMBERED_IN_ORDER:
        number = next(number for number in range(1, len(taken) + 2) if partition_name(disk, number) not in taken)
        if name != (expected := partition_name(disk, number)):
            raise _not_the_name(name, f"a partition is called by its disk and its number: the next one is {expected}")
    elif partition_number(disk, name) is None:
        example = partition_name(disk, 1)
        raise _not_the_name(name, f"a partition is called by its disk and its number, as in {example}")


def libvirt_can_remove(stated: str, disk: str) -> bool:
    """Whether libvirt tells parted the right number: what follows in a partition's name after the disk as stated.

    So a `p` between them would be part of the number; and a disk that is stated by a link has another name.
    """
    return stated == disk and not _separator(disk)


def _separator(disk: str) -> str:
    return "p" if disk[-1:].isdigit() else ""


def _not_the_name(name: str, why: str) -> ModelError:
    return invalid_field("name", why, value=name)
