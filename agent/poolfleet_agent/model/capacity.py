"""Whether a new volume fits, before anything is written."""

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.volume import VolumeDefinition

SPARSE_FORMATS = frozenset({"qcow", "qcow2", "qed", "vmdk", "vdi", "vhd", "vpc"})
"""Formats whose files begin small whatever their capacity."""

LARGEST_CAPACITY_BYTES = 2**63 - 1


def bytes_at_once(definition: VolumeDefinition) -> int:
    """Bytes that creating the volume takes from the storage at once; an encrypted one begins as hardly more than its
    header."""
    if definition.encryption is not None:
        return 0
    if (definition.format or "raw") in SPARSE_FORMATS:
        return definition.allocation_bytes or 0
    if definition.allocation_bytes is not None:
        return min(definition.allocation_bytes, definition.capacity_bytes or 0)
    return definition.capacity_bytes or 0


def check_fits(*, needed_bytes: int, available_bytes: int | None, promised_bytes: int) -> None:
    """Refuse what does not fit beside what is being created (`promised_bytes`): NO_SPACE."""
    if available_bytes is None:
        return
    free_bytes = max(0, available_bytes - promised_bytes)
    if needed_bytes > free_bytes:
        raise ModelError(
            Reason.NO_SPACE,
            f"needs {needed_bytes} bytes, and {free_bytes} are free in the pool",
            metadata={"needed_bytes": str(needed_bytes), "available_bytes": str(free_bytes)},
        )


def check_overcommit(
    *, capacity_bytes: int, provisioned_bytes: int | None, pool_capacity_bytes: int | None, overcommit_ratio: float
) -> None:
    """Refuse what would provision the pool beyond its ratio (0: no limit): NO_SPACE."""
    if overcommit_ratio <= 0 or pool_capacity_bytes is None:
        return
    limit_bytes = int(pool_capacity_bytes * overcommit_ratio)
    wanted_bytes = (provisioned_bytes or 0) + capacity_bytes
    if wanted_bytes > limit_bytes:
        raise ModelError(
            Reason.NO_SPACE,
            f"{wanted_bytes} bytes would be provisioned; overcommit_ratio {overcommit_ratio:g} allows {limit_bytes}",
            metadata={
                "needed_bytes": str(wanted_bytes),
                "available_bytes": str(limit_bytes),
                "overcommit_ratio": f"{overcommit_ratio:g}",
            },
        )
