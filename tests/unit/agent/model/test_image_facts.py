"""What libvirt would take an image for. That it does is compared with a real one in the integration tests."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolfleet_agent.model.image_facts import HEAD_BYTES, ImageFacts, read_image
from tests.image_corpus import MADE_BY_NOBODY

MIB = 1 << 20


def qcow2(
    *, version: int = 3, backing: bytes = b"", stated: bytes = b"", crypt: int = 0, compatible: int = 0, other: int = 0
) -> bytes:
    """A header; its backing file's name comes after an extension that states the format."""
    length = 104 if version >= 3 else 72
    extension = struct.pack(">II", 0xE2792ACA, len(stated)) + stated.ljust(-(-len(stated) // 8) * 8, b"\0")
    tail = (extension if stated else b"") + bytes(8)
    at = length + len(tail) if backing else 0
    head = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", version, at, len(backing), 16, MIB, crypt, 1, 0, 0, 0, 0, 0)
    if version >= 3:
        head += struct.pack(">QQQII", other, compatible, 0, 4, 104)
    return head + tail + backing


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"", ImageFacts("raw")),
        (b"anything", ImageFacts("raw")),
        (MADE_BY_NOBODY["iso.iso"], ImageFacts("iso")),
        (MADE_BY_NOBODY["future.qcow2"], ImageFacts("raw")),
        (MADE_BY_NOBODY["cow.cow"], ImageFacts("cow", 5 * MIB, backing=b"/base")),
        (qcow2(version=2), ImageFacts("qcow2", MIB, compat="0.10", cluster_size_bytes=65536)),
        (qcow2(), ImageFacts("qcow2", MIB, compat="1.1", cluster_size_bytes=65536)),
        (qcow2(crypt=1), ImageFacts("qcow2", MIB, compat="1.1", cluster_size_bytes=65536, encryption="qcow")),
        (qcow2(crypt=2), ImageFacts("qcow2", MIB, compat="1.1", cluster_size_bytes=65536, encryption="luks")),
    ],
)
def test_formats_are_told_by_their_beginning(head: bytes, expected: ImageFacts) -> None:
    assert read_image(head) == expected


def test_features_are_those_that_libvirt_has_names_for() -> None:
    assert read_image(qcow2(compatible=1)).features == ("lazy_refcounts",)
    assert read_image(qcow2(compatible=1, other=0b11111)).features == ("lazy_refcounts", "extended_l2")


@pytest.mark.parametrize(("stated", "understood"), [(b"qcow2", "qcow2"), (b"raw", "raw"), (b"nbd", "raw"), (b"", "")])
def test_a_backing_file_has_the_format_that_is_stated_or_none(stated: bytes, understood: str) -> None:
    for version in (2, 3):
        facts = read_image(qcow2(version=version, backing=b"base", stated=stated))
        assert (facts.backing, facts.backing_format) == (b"base", understood)


def test_what_encryption_takes_is_told() -> None:
    luks = b"LUKS\xba\xbe\0\x01" + bytes(96) + struct.pack(">I", 4096) + bytes(100)
    assert read_image(luks) == ImageFacts("raw", encryption="luks", payload_bytes=4096 * 512)


def test_the_largest_of_offsets_takes_nothing() -> None:
    luks = b"LUKS\xba\xbe\0\x01" + bytes(96) + b"\xff" * 4 + bytes(100)
    assert read_image(luks) == ImageFacts("raw", encryption="luks")


@given(st.sampled_from([qcow2(backing=b"base", stated=b"qcow2"), *MADE_BY_NOBODY.values()]), st.data())
def test_no_damage_is_too_much(head: bytes, data: st.DataObject) -> None:
    cut = bytearray(head[: data.draw(st.integers(0, min(len(head), HEAD_BYTES)))])
    for _ in range(data.draw(st.integers(0, 4)) if cut else 0):
        cut[data.draw(st.integers(0, min(len(cut), 160) - 1))] = data.draw(st.integers(0, 255))
    assert read_image(bytes(cut)).format
