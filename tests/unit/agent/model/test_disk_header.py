"""What a qcow2 file lies on, from its header, as qemu-img writes it."""

from __future__ import annotations

import os
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolfleet_agent.model.disk_header import HEADER_BYTES, DiskHeader, read_disk_header, stands_alone


def made(path: Path, *options: str, size: str = "1M") -> DiskHeader | None:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *options, str(path), size], check=True, timeout=60)
    return read_disk_header(path.read_bytes()[:HEADER_BYTES])


@pytest.fixture
def base(tmp_path: Path) -> Path:
    made(tmp_path / "base")
    return tmp_path / "base"


def test_a_file_of_its_own_lies_on_nothing(tmp_path: Path) -> None:
    assert made(tmp_path / "own") == DiskHeader()


@pytest.mark.parametrize("version", ["0.10", "1.1"])
def test_the_backing_file_is_told_as_it_is_written(tmp_path: Path, base: Any, version: Any) -> None:
    told = made(tmp_path / "top", "-o", f"compat={version}", "-F", "qcow2", "-b", "base")
    assert told == DiskHeader(backing_path="base", backing_format="qcow2")
    told = made(tmp_path / "top", "-F", "qcow2", "-b", f"file:{base}")
    assert told is not None
    assert told.backing_path == str(base)


def test_a_backing_file_in_json_is_told_by_its_path(tmp_path: Path, base: Any) -> None:
    name = f'json:{{"driver":"qcow2","file":{{"driver":"file","filename":"{base}"}}}}'
    told = made(tmp_path / "top", "-F", "qcow2", "-b", name)
    assert told is not None
    assert (told.backing_path, told.on_paths) == (str(base), False)


def test_an_external_data_file_is_told(tmp_path: Path) -> None:
    told = made(tmp_path / "top", "-o", f"data_file={tmp_path}/data,data_file_raw=on")
    assert told is not None
    assert told.data_path.endswith("data")


def named(backing: bytes) -> bytes:
    return struct.pack(">4sIQI", b"QFI\xfb", 2, 72, len(backing)).ljust(72, b"\0") + backing


@pytest.mark.parametrize(
    "name", [b"nbd://host/export", b"json:{", b"json:[]", b"\xff\xfe", b"a\0b", b'json:{"file":[]}']
)
def test_what_names_no_file_of_the_host_is_left_out(name: Any) -> None:
    assert read_disk_header(named(name)) == DiskHeader(on_paths=False)


def image(path: Path, image_format: str, *options: str) -> bytes:
    command = ["qemu-img", "create", "-q", "-f", image_format, *options, str(path), "1M"]
    subprocess.run(command, check=True, timeout=60)
    return path.read_bytes()[:HEADER_BYTES]


@pytest.mark.parametrize("image_format", ["vdi", "vpc", "qed", "vmdk"])
def test_an_image_of_one_file_stands_alone(tmp_path: Path, image_format: str) -> None:
    assert stands_alone(image_format, image(tmp_path / "own", image_format))


@pytest.mark.parametrize(
    ("image_format", "options"),
    [
        ("qed", ["-F", "qcow2", "-b", "BASE"]),
        ("vmdk", ["-F", "vmdk", "-b", "BASE"]),
        ("vmdk", ["-o", "subformat=monolithicFlat"]),
        ("qcow2", []),
        ("parallels", []),
    ],
    ids=["qed on another", "vmdk on another", "vmdk of two files", "a format with layers", "an unknown format"],
)
def test_what_lies_on_others_or_may_does_not(tmp_path: Path, image_format: str, options: list[str]) -> None:
    base = tmp_path / "base"
    image(base, "vmdk" if "vmdk" in options else "qcow2")
    head = image(tmp_path / "top", image_format, *(word.replace("BASE", str(base)) for word in options))
    assert not stands_alone(image_format, head)


def test_other_files_are_none() -> None:
    assert read_disk_header(b"") is None
    assert read_disk_header(b"QFI\xfb") is None
    assert read_disk_header(bytes(512)) is None


@given(st.binary(max_size=300), st.integers(0, 4))
def test_no_header_however_damaged_is_more_than_left_out(rest: Any, version: Any) -> None:
    read_disk_header(b"QFI\xfb" + struct.pack(">I", version) + rest)


@pytest.mark.parametrize("name", [b'json:{"filename":"/a\\ud800"}', b'json:{"file":{"filename":"/a\\u0000b"}}'])
def test_what_only_json_can_spell_is_no_path(name: bytes) -> None:
    head = bytearray(HEADER_BYTES)
    struct.pack_into(">4sIQI", head, 0, b"QFI\xfb", 2, 1024, len(name))
    head[1024 : 1024 + len(name)] = name
    assert read_disk_header(bytes(head)) == DiskHeader(on_paths=False)


@given(
    version=st.integers(0, 2**32 - 1) | st.integers(1, 4),
    place=st.integers(0, 2**64 - 1) | st.integers(0, 300),
    length=st.integers(0, 2**32 - 1) | st.integers(0, 300),
    rest=st.binary(max_size=300),
)
def test_every_path_of_any_header_can_be_asked_for(version: int, place: int, length: int, rest: bytes) -> None:
    told = read_disk_header(struct.pack(">4sIQI", b"QFI\xfb", version, place, length) + rest)
    for path in (told.backing_path, told.data_path) if told else ():
        assert b"\0" not in os.fsencode(path)
