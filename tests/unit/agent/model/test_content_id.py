"""A copy of an image has the id of its content, and what is no copy has another."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolfleet_agent.model.content_id import content_id
from poolfleet_agent.model.image_facts import HEAD_BYTES, read_image
from tests.image_corpus import LUKS_1, LUKS_UUID, MADE_BY_NOBODY, create, sealed_qcow2

UUID = uuid.UUID(LUKS_UUID)
LUKS_2 = LUKS_1.replace(b"\xbe\0\x01", b"\xbe\0\x02")
FAR = 1 << 20


def of(content: bytes) -> str:
    """The id of what a file holds."""
    head = content[:HEAD_BYTES]
    return content_id(read_image(head), head, lambda at, count: content[at : at + count])


def vdi(raw: bytes) -> bytes:
    return (bytes(64) + b"\x7f\x10\xda\xbe" + struct.pack("<I", 0x10001)).ljust(392, b"\0") + raw.ljust(512, b"\0")


def vpc(raw: bytes) -> bytes:
    return (b"conectix" + struct.pack(">II", 2, 0x10000)).ljust(68, b"\0") + raw.ljust(512, b"\0")


def vmdk(line: bytes) -> bytes:
    text = b"# Disk DescriptorFile\nversion=1\n" + line + b"parentCID=ffffffff\n"
    return (b"KDMV" + struct.pack("<IIQ", 1, 3, 2048)).ljust(512, b"\0") + text.ljust(1024, b"\0")


@pytest.mark.parametrize("kind", ["vdi", "vpc", "vmdk"])
def test_a_copy_of_an_image_has_its_id_and_a_new_one_another(tmp_path: Path, kind: str) -> None:
    create(tmp_path, kind, "one")
    create(tmp_path, kind, "other")
    shutil.copyfile(tmp_path / "one", tmp_path / "copy")
    convert = ("qemu-img", "convert", "-O", kind, "-f", kind, "one", "converted")
    subprocess.run(convert, cwd=tmp_path, check=True, timeout=60)
    one, copy, *others = (of((tmp_path / name).read_bytes()) for name in ("one", "copy", "other", "converted"))
    assert one == copy
    assert one.startswith(f"{kind}:")
    assert len({one, *others}) == 3
    assert all(other.startswith(f"{kind}:") for other in others)


def test_of_vmdk_it_is_the_number_that_qemu_tells(tmp_path: Path) -> None:
    create(tmp_path, "vmdk", "one")
    told = subprocess.check_output(["qemu-img", "info", "--output=json", "one"], cwd=tmp_path, timeout=60)
    assert of((tmp_path / "one").read_bytes()) == f"vmdk:{json.loads(told)['format-specific']['data']['cid']:08x}"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (LUKS_1, f"luks:{UUID}"),
        (LUKS_2, f"luks:{UUID}"),
        (sealed_qcow2(at=FAR).ljust(FAR, b"\0") + LUKS_1, f"luks:{UUID}"),
        (sealed_qcow2(at=FAR, version=2).ljust(FAR, b"\0") + LUKS_1, f"luks:{UUID}"),
        (vdi(UUID.bytes_le), f"vdi:{UUID}"),
        (vpc(UUID.bytes), f"vpc:{UUID}"),
        (vmdk(b"CID=1a2B3c4d\n"), "vmdk:1a2b3c4d"),
        (vmdk(b"CID=4d\r\n"), "vmdk:0000004d"),
    ],
)
def test_each_kind_of_image_has_its_own(content: bytes, expected: str) -> None:
    assert of(content) == expected


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"anything".ljust(4096, b"\0"),
        LUKS_1[:170],
        LUKS_1[:168].ljust(592, b"\0"),
        LUKS_1.replace(b"0011", b"001g"),
        LUKS_1.replace(b"0011", b"\xff\xff\xff\xff"),
        sealed_qcow2(at=FAR),
        sealed_qcow2(at=2**64 - 1),
        sealed_qcow2(at=FAR, method=0).ljust(FAR, b"\0") + LUKS_1,
        sealed_qcow2(at=FAR)[:110].ljust(FAR, b"\0") + LUKS_1,
        vdi(b""),
        vdi(UUID.bytes_le)[:400],
        vpc(b""),
        vmdk(b""),
        vmdk(b"CID=fffffffe\n"),
        vmdk(b"CID=ffffffff\n"),
        vmdk(b"CID=0\n"),
        vmdk(b"CID=-4\n"),
        vmdk(b"CID=1_2\n"),
        vmdk(b"CID=0x12\n"),
        vmdk(b"CID= 12\n"),
        vmdk(b"CID=123456789\n"),
        vmdk(b"CID=no number\n"),
    ],
)
def test_what_has_none_or_one_that_makes_no_sense_has_none(content: bytes) -> None:
    assert of(content) == ""


@given(
    st.sampled_from([LUKS_1, sealed_qcow2(at=FAR), vdi(UUID.bytes_le), vmdk(b"CID=1\n"), *MADE_BY_NOBODY.values()]),
    st.data(),
)
def test_no_damage_is_too_much(content: bytes, data: st.DataObject) -> None:
    cut = bytearray(content[: data.draw(st.integers(0, len(content)))])
    for _ in range(data.draw(st.integers(0, 4)) if cut else 0):
        cut[data.draw(st.integers(0, min(len(cut), 512) - 1))] = data.draw(st.integers(0, 255))
    of(bytes(cut))
