"""Whether a new volume fits, before anything is written."""

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.image_options import DEFAULT_CLUSTER_BYTES, QCOW2
from poolfleet_agent.model.preallocation import METADATA, WHOLE
from poolfleet_agent.model.volume import VolumeDefinition

SPARSE_FORMATS = frozenset({"qcow", "qcow2", "qed", "vmdk", "vdi", "vhd", "vpc"})
"""Formats whose files begin small whatever their capacity."""

SECTOR_BYTES = 512
KIB = 1024

LARGEST_CAPACITY_BYTES = 2**63 - 1

LARGEST_LUKS_HEADER_BYTES = 16 << 20
"""More than the header of a luks container ever takes on top of its capacity."""

LARGEST_CYLINDER_BYTES = 16 * 255 * 512
"""What a vpc image may have on top of its capacity, to have the geometry of some disk."""

EXTENT_BYTES = 4 << 20
"""What LVM gives logical volumes in, where whoever made the volume group did not say otherwise; libvirt never does."""

_REFERENCE_BYTES, _EXTENDED_REFERENCE_BYTES, _REFERENCE_COUNT_BYTES = 8, 16, 2


def bytes_at_once(definition: VolumeDefinition) -> int:
    """Bytes that creating the volume takes from the storage at once; an encrypted one begins as hardly more than its
    header."""
    capacity_bytes = definition.capacity_bytes or 0
    if definition.preallocation in WHOLE:
        return capacity_bytes + _around_bytes(definition)
    if definition.preallocation == METADATA:
        return _around_bytes(definition)
    if definition.encryption is not None or (definition.format or "raw") in SPARSE_FORMATS:
        return 0
    if definition.allocation_bytes is not None:
        return min(definition.allocation_bytes, capacity_bytes)
    return capacity_bytes


def _around_bytes(definition: VolumeDefinition) -> int:
    """What a preallocated file has beside the volume's own bytes, at most."""
    luks_bytes = LARGEST_LUKS_HEADER_BYTES if definition.encryption is not None else 0
    if definition.format != QCOW2:
        return luks_bytes
    options = definition.options
    cluster_bytes = options.cluster_size_bytes or DEFAULT_CLUSTER_BYTES
    reference_bytes = _EXTENDED_REFERENCE_BYTES if "extended_l2" in options.features else _REFERENCE_BYTES
    clusters = _share(definition.capacity_bytes or 0, cluster_bytes)
    second_level = _share(clusters * reference_bytes, cluster_bytes)
    first_level = _share(second_level * _REFERENCE_BYTES, cluster_bytes)
    counted = clusters + second_level + first_level + _share(luks_bytes, cluster_bytes)
    counts = _share(counted * _REFERENCE_COUNT_BYTES, cluster_bytes) + 1
    tables = 1 + second_level + first_level + counts + _share(counts * _REFERENCE_BYTES, cluster_bytes)
    return tables * cluster_bytes + luks_bytes


def _share(size_bytes: int, unit_bytes: int) -> int:
    """How many units hold so much."""
    return -(-size_bytes // unit_bytes)


def rounded_up(size_bytes: int, unit_bytes: int) -> int:
    """The next whole multiple of a unit."""
    return _share(size_bytes, unit_bytes) * unit_bytes


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
