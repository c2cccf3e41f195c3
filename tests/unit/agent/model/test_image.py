"""What is made for a volume is what libvirt would make."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from poolfleet_agent.model.image import NewImage, can_be_made, image_of, largest_capacity_bytes
from poolfleet_agent.model.secret import SecretValue
from poolfleet_agent.model.volume import BackingStore, VolumeDefinition, VolumeEncryption

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
        ({"capacity_bytes": MIB, "allocation_bytes": MIB}, MIB, False),
    ],
)
def test_a_qcow2_file_has_whole_kib_and_nothing_of_it_is_allocated(
    stated: Any, size_bytes: int, allocated: bool
) -> None:
    backing_store = BackingStore(path="/p/base")
    image = made(format="qcow2", backing_store=backing_store, **stated)
    assert (image.size_bytes, image.allocated, image.backing_store) == (size_bytes, allocated, backing_store)


@pytest.mark.parametrize(("volume_format", "image_format"), [("raw", "luks"), ("qcow2", "qcow2")])
def test_an_encrypted_volume_is_a_luks_container_or_a_qcow2_that_holds_luks(
    volume_format: str, image_format: str
) -> None:
    encryption = VolumeEncryption(format="luks")
    definition = VolumeDefinition(name="v", format=volume_format, capacity_bytes=1500, encryption=encryption)
    assert can_be_made(definition)
    image = image_of(definition, "/p/new", passphrase=SecretValue(b"hunter2"))
    assert (image.format, image.size_bytes, image.allocated) == (image_format, 2048, False)
    assert "hunter2" not in repr(image)


def test_what_is_encrypted_in_another_way_is_libvirts() -> None:
    encryption = VolumeEncryption(format="default")
    assert not can_be_made(VolumeDefinition(name="v", format="qcow2", capacity_bytes=1, encryption=encryption))


def test_while_it_is_made_an_encrypted_volume_may_look_larger_by_its_header() -> None:
    plain = VolumeDefinition(name="v", capacity_bytes=MIB)
    assert largest_capacity_bytes(plain) == MIB
    assert largest_capacity_bytes(VolumeDefinition(name="v")) is None
    cylinder = largest_capacity_bytes(replace(plain, format="vpc"))
    assert cylinder is not None
    # What libvirt makes of 4 MiB.
    assert cylinder >= MIB + 18_432
    encrypted = largest_capacity_bytes(replace(plain, encryption=VolumeEncryption(format="luks")))
    assert encrypted is not None
    # What qemu-img writes before the volume's own bytes.
    assert encrypted >= MIB + 2_068_480


def test_other_formats_and_volumes_without_a_size_are_libvirts() -> None:
    assert can_be_made(VolumeDefinition(name="v", capacity_bytes=1))
    assert can_be_made(VolumeDefinition(name="v", capacity_bytes=1, format="vmdk"))
    assert not can_be_made(VolumeDefinition(name="v", capacity_bytes=1, format="bochs"))
    encryption = VolumeEncryption(format="luks")
    assert not can_be_made(VolumeDefinition(name="v", capacity_bytes=1, format="vmdk", encryption=encryption))
    assert not can_be_made(VolumeDefinition(name="v", format="qcow2"))
