"""A file as a volume; that libvirt tells the same of it is shown with a real one in the integration tests."""

from __future__ import annotations

import pytest

from poolfleet_agent.model.file_volume import file_volume, has_volume_name
from poolfleet_agent.model.image_facts import ImageFacts
from poolfleet_agent.model.ports import FileKind, SeenFile


@pytest.mark.parametrize(("payload_bytes", "capacity_bytes"), [(0, 4096), (4095, 1), (4096, 0), (0xFFFFFFFE * 512, 0)])
def test_no_header_takes_more_than_there_is(payload_bytes: int, capacity_bytes: int) -> None:
    seen = SeenFile(
        stamp=b"", kind=FileKind.FILE, size_bytes=4096, allocated_bytes=0, mode=0o600, uid=0, gid=0, modified_at_ns=0,
        image=ImageFacts("raw", encryption="luks", payload_bytes=payload_bytes),
    )  # fmt: skip
    assert file_volume("p", "/pools/p/x", seen, backing=None).capacity_bytes == capacity_bytes


@pytest.mark.parametrize("name", [".", "..", "a/b", "con\x01trol"])
def test_what_no_entry_of_a_folder_is_called_is_no_volume_s_name(name: str) -> None:
    assert not has_volume_name(name)


@pytest.mark.parametrize("name", ["a", ".hidden", "...", "a b", "new\nline"])
def test_an_entry_may_be_called_so(name: str) -> None:
    assert has_volume_name(name)
