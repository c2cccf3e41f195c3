"""Sizes as messages hold them: signed, of 64 bits."""

from poolfleet_agent.model.capacity import LARGEST_CAPACITY_BYTES


def told_bytes(size_bytes: int | None) -> int | None:
    """A size that was seen or added up; what no message can hold is told as the largest that one can.

    Shares without a limit say that they have 16 EiB, broken images too, and capacities of sparse volumes add up.
    """
    return None if size_bytes is None else min(size_bytes, LARGEST_CAPACITY_BYTES)
