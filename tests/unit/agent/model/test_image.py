"""What is made for a volume is what libvirt would make."""

from __future__ import annotations

from typing import Any

import pytest

from poolfleet_agent.model.image import NewImage, can_be_made, image_of
from poolfleet_agent.model.volume import BackingStore, VolumeDefinition

MIB = 1 << 20


def made(**stated: Any) -> NewImage:
    return image_of(VolumeDefinition(name="v", **stated), "/p/new")


@pytest.mark.parametrize(
    ("stated", "size_bytes", "allocated"),
    [
        ({"capacity_bytes": MIB}, MIB, True),
        ({"capacity_bytes": MIB, "allocation_bytes": 0}, 0, False),
        ({"capacity_bytes": MIB, "allocation_bytes": 1000}, 1024, True),
        ({"capacity_bytes": MIB, "allocation_bytes": 2 * MIB}, MIB, True),
        ({"capacity_bytes": 0}, 0, False),
    ],
)
def test_a_raw_file_begins_with_what_is_allocated(stated: Any, size_bytes: int, allocated: bool) -> None:
    image = made(**stated)
    assert (image.format, image.size_bytes, image.allocated) == ("raw", size_bytes, allocated)


@pytest.mark.parametrize(
    ("stated", "size_bytes", "allocated"),
    [
        ({"capacity_bytes": 1500}, 2048, False),
        ({"capacity_bytes": MIB, "allocation_bytes": MIB}, MIB, True),
        ({"capacity_bytes": MIB, "allocation_bytes": MIB - 1}, MIB, False),
    ],
)
def test_a_qcow2_file_has_whole_kib_and_is_allocated_whole_or_not(
    stated: Any, size_bytes: int, allocated: bool
) -> None:
    backing_store = BackingStore(path="/p/base")
    image = made(format="qcow2", backing_store=backing_store, **stated)
    assert (image.size_bytes, image.allocated, image.backing_store) == (size_bytes, allocated, backing_store)


def test_other_formats_and_volumes_without_a_size_are_libvirts() -> None:
    assert can_be_made(VolumeDefinition(name="v", capacity_bytes=1))
    assert not can_be_made(VolumeDefinition(name="v", capacity_bytes=1, format="vmdk"))
    assert not can_be_made(VolumeDefinition(name="v", format="qcow2"))
