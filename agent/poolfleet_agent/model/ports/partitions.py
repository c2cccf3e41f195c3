"""Changing the partition table of a disk."""

from typing import Protocol


class Partitions(Protocol):
    """Runs a program for it, as a child that may be lost."""

    async def remove(self, disk: str, number: int, *, timeout_s: float) -> None:
        """Remove one partition, or leave it as it is.

        VOLUME_IN_USE where anything has it open, OPERATION_TIMED_OUT, INTERNAL, and what parted says of the disk.
        """
        ...
