"""What guests write into their disks: it may be read as an image's header, and nothing that it says ends a look."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from poolfleet_agent.files.channel import Channel
from poolfleet_agent.files.folders import RoutedFolders
from poolfleet_agent.inventory.folder_volumes import FolderVolumes
from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.pool import Pool
from poolfleet_agent.model.volume import BackingStore
from poolfleet_agent.services.convert.encoder import MessageEncoder
from tests.unit.agent.fake_host import FakeClock, FakeHypervisor, pool_facts


@pytest.fixture
def volumes(channel: Channel) -> FolderVolumes:
    hypervisor: Any = FakeHypervisor()
    return FolderVolumes(
        folders=RoutedFolders(channel, list),
        hypervisor=hypervisor,
        encoder=MessageEncoder(),
        clock=FakeClock(),
        may_switch=False,
        check_backing=anywhere,
    )


async def anywhere(path: str) -> None:
    """Any path may be a backing file's."""


def header_on(backing: bytes) -> bytes:
    """A qcow2 header that names a backing file, and no format of it."""
    head = struct.pack(">4sIQIIQ", b"QFI\xfb", 2, 1024, len(backing), 16, 1 << 20)
    return head.ljust(1024, b"\0") + backing


@pytest.mark.parametrize(
    "backing",
    [
        r'json:{"driver":"file","filename":"\ud800"}',
        r'json:{"driver":"file","filename":"/a\udfffb"}',
        r'json:{"driver":"file","filename":"/a\u0000b"}',
        r'json:{"driver":"raw","file":{"driver":"file","filename":"\udc80"}}',
        'json:{"driver":"file","filename":7}',
        "json:" + '{"file":' * 120,
        "json:" + "9" * 900,
        "nbd://server/export",
    ],
)
async def test_a_backing_file_that_no_host_can_have_is_told_as_it_is_written(
    volumes: FolderVolumes, tmp_path: Path, backing: str
) -> None:
    (tmp_path / "guest.raw").write_bytes(header_on(backing.encode()))
    (tmp_path / "other.raw").write_bytes(b"x")
    pool = Pool(facts=pool_facts("p", target=str(tmp_path)), etag="")
    seen = await volumes.all(PoolEntry(pool=pool, encoded=b""), str(tmp_path))
    assert list(seen.records) == ["guest.raw", "other.raw"]
    assert seen.records["guest.raw"].facts.backing_store == BackingStore(path=backing, format="raw")
