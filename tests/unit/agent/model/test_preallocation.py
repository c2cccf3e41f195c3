"""What is preallocated, what it takes, and what cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from poolfleet_agent.model.capacity import bytes_at_once
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.image import image_of
from poolfleet_agent.model.preallocation import preallocated
from poolfleet_agent.model.volume import BackingStore, VolumeDefinition, VolumeEncryption

MIB = 1 << 20


def volume(volume_format: str = "qcow2", **stated: Any) -> VolumeDefinition:
    return VolumeDefinition(name="v", format=volume_format, **{"capacity_bytes": 4 * MIB, **stated})


@pytest.mark.parametrize(
    ("definition", "kind", "by_libvirt", "becomes"),
    [
        (volume(), "", False, ""),
        (volume(), "metadata", False, "metadata"),
        (volume(allocation_bytes=4 * MIB), "falloc", False, "falloc"),
        (volume("raw"), "full", False, "full"),
        (volume(allocation_bytes=0), "metadata", True, "metadata"),
        (volume(), "metadata", True, "falloc"),
        (volume(allocation_bytes=4 * MIB), "metadata", True, "falloc"),
    ],
)
def test_libvirts_one_flag_means_what_the_allocation_says(
    definition: VolumeDefinition, kind: str, by_libvirt: bool, becomes: str
) -> None:
    assert preallocated(definition, kind, by_libvirt=by_libvirt).preallocation == becomes


@pytest.mark.parametrize(
    ("definition", "kind", "by_libvirt"),
    [
        (volume(), "some", False),
        (volume(), "falloc", True),
        (volume("raw"), "metadata", False),
        (volume("vmdk"), "falloc", False),
        (volume(backing_store=BackingStore(path="/p/base")), "metadata", False),
        (volume("raw", allocation_bytes=0), "full", False),
    ],
)
def test_what_cannot_be_preallocated_so(definition: VolumeDefinition, kind: str, by_libvirt: bool) -> None:
    with pytest.raises(ModelError) as refused:
        preallocated(definition, kind, by_libvirt=by_libvirt)
    assert refused.value.reason is Reason.INVALID_FIELD
    assert [violation.field for violation in refused.value.violations] == ["preallocation"]


def test_a_raw_volume_takes_its_bytes_a_qcow2_one_its_tables_too_and_an_encrypted_one_its_header() -> None:
    assert bytes_at_once(volume("raw", preallocation="full")) == 4 * MIB
    tables = bytes_at_once(volume(preallocation="metadata"))
    # qemu-img writes 266,240 bytes of them for 4 MiB.
    assert 266_240 <= tables < MIB
    assert bytes_at_once(volume(preallocation="falloc")) == 4 * MIB + tables
    encryption = VolumeEncryption(format="luks")
    assert bytes_at_once(volume("raw", preallocation="falloc", encryption=encryption)) > 4 * MIB
    # Tables of a larger volume: 8 bytes for each cluster, and 2 that count.
    large = bytes_at_once(volume(capacity_bytes=1 << 40, preallocation="metadata"))
    assert 160 * MIB < large < 170 * MIB


@pytest.mark.parametrize("volume_format", ["raw", "qcow2"])
def test_what_is_made_is_preallocated(volume_format: str) -> None:
    image = image_of(volume(volume_format, preallocation="full"), "/p/new")
    assert (image.preallocation, image.size_bytes) == ("full", 4 * MIB)
