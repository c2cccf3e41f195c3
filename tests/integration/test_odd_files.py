"""Whatever lies in a pool's folder, be it put there by an enemy: the agent lives, and other volumes are as before."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.message import Message

from poolfleet.v1.inventory_service_pb2 import ListDomainDisksRequest
from poolfleet.v1.pool_service_pb2 import RefreshPoolRequest, StopPoolRequest
from poolfleet.v1.snapshot_pb2 import VIEW_FULL
from poolfleet.v1.volume_pb2 import CloneSpec
from poolfleet.v1.volume_service_pb2 import (
    CloneVolumeRequest,
    DeleteVolumeRequest,
    GetVolumeRequest,
    ListVolumesRequest,
)
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.libvirtd import EmbeddedLibvirtd
from tests.made_pools import folder, start_dir_pool
from tests.raw_agent import LIMIT_S, RawAgent, Refused, eventually, raw_agent
from tests.virsh import virsh

UNFORESEEN = {status.value[0] for status in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)}
YEAR_1960_S, YEAR_9999999_S = -315_619_200.5, 2**48


def image(backing: bytes = b"", *, size_bytes: int = 1 << 20, cluster_bits: int = 16, extensions: bytes = b"") -> bytes:
    """A qcow2 file's header that says so."""
    header = bytearray(65_536)
    where = 1024 if backing else 0
    struct.pack_into(">4sIQIIQ", header, 0, b"QFI\xfb", 3, where, len(backing), cluster_bits, size_bytes)
    struct.pack_into(">I", header, 100, 104)
    header[104 : 104 + len(extensions)] = extensions
    header[1024 : 1024 + len(backing)] = backing
    return bytes(header)


def dated(path: Path, time_s: float) -> None:
    path.touch()
    os.utime(path, (time_s, time_s))


def sparse(path: Path, size_bytes: int) -> None:
    path.touch()
    os.truncate(path, size_bytes)


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))


ODD: dict[str, Callable[[Path], object]] = {
    "before 1970": lambda path: dated(path, YEAR_1960_S),
    "in a far year": lambda path: dated(path, YEAR_9999999_S),
    "a name with a line's end": lambda path: path.with_name("a\nb").touch(),
    "a name with control characters": lambda path: path.with_name("a\x01\x1b[31m\x7fb").touch(),
    "a name with XML": lambda path: path.with_name("<volume>&amp;\"'").touch(),
    "a name like an option": lambda path: path.with_name("--help").touch(),
    "the longest name": lambda path: path.with_name("x" * 255).touch(),
    "a name with half a character": lambda path: Path(os.fsdecode(os.fsencode(path) + b"\xed\xa0\x80")).touch(),
    "a FIFO": os.mkfifo,
    "a socket": listening,
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to nothing": lambda path: path.symlink_to("/none/at/all"),
    "no rights": lambda path: path.touch(0o000),
    "huge": lambda path: sparse(path, 2**43),
    "its own backing file": lambda path: path.write_bytes(image(os.fsencode(path))),
    "a backing file of half a character": lambda path: path.write_bytes(image(b'json:{"filename":"/a\\ud800"}')),
    "a backing file's node of half a character": lambda path: path.write_bytes(
        image(b'json:{"driver":"file","filename":"/a\\ud800"}')
    ),
    "a backing file's node with NUL": lambda path: path.write_bytes(
        image(b'json:{"driver":"file","filename":"/a\\u0000b"}')
    ),
    "a backing file with NUL": lambda path: path.write_bytes(image(b'json:{"file":{"filename":"/a\\u0000b"}}')),
    "a backing file that is no UTF-8": lambda path: path.write_bytes(image(b"/a\xff\xfe")),
    "a backing file in deep JSON": lambda path: path.write_bytes(image(b"json:" + b'{"file":' * 120)),
    "a backing file on a server": lambda path: path.write_bytes(image(b"nbd://nobody.test/x")),
    "more capacity than there is": lambda path: path.write_bytes(image(size_bytes=2**64 - 1)),
    "more capacity than can be told, together": lambda path: [
        path.with_name(f"{path.name}{number}").write_bytes(image(size_bytes=2**62)) for number in range(3)
    ],
    "clusters without an end": lambda path: path.write_bytes(image(cluster_bits=63)),
    "absurd clusters": lambda path: path.write_bytes(image(cluster_bits=2**32 - 1)),
    "an extension without an end": lambda path: path.write_bytes(image(extensions=b"\xe2\x79\x2a\xca\xff\xff\xff\xff")),
    "a backing format that is none": lambda path: path.write_bytes(
        image(b"base", extensions=b"\xe2\x79\x2a\xca\0\0\0\x08\xff\0\n<&\x01\x80x")
    ),
}


@pytest.fixture(scope="module")
def odd_host(short_dir: Path, libvirtd: EmbeddedLibvirtd) -> Iterator[EmbeddedHost]:
    with tempfile.TemporaryDirectory(dir=short_dir, prefix="o") as made:
        Path(made).chmod(0o755)
        host = EmbeddedHost("h", Path(made))
        host.libvirtd.learn_emulators_from(libvirtd)
        with host:
            yield host


@pytest.fixture
async def odd_agent(odd_host: EmbeddedHost) -> AsyncIterator[RawAgent]:
    pid = odd_host.agent.pid
    async with raw_agent(odd_host.agent.target) as agent:
        yield agent
    assert odd_host.agent.pid == pid
    log = odd_host.agent.log.read_text()
    assert "Traceback" not in log, log[log.index("Traceback") - 1000 :]


@pytest.mark.parametrize(("number", "odd"), list(enumerate(ODD)), ids=list(ODD))
async def test_an_odd_file_takes_nothing_from_its_pool(
    odd_host: EmbeddedHost, odd_agent: RawAgent, number: int, odd: str
) -> None:
    pool = f"p{number}"
    await start_dir_pool(odd_host, odd_agent, pool, "well.raw")
    ODD[odd](folder(odd_host, pool) / "odd")
    await odd_agent.done(RefreshPoolRequest(pool=pool))
    answer = await odd_agent.ask(ListVolumesRequest(pool=pool, include_special=True))
    assert not answer.unread_pools
    seen = [volume.name for volume in answer.volumes]
    assert "well.raw" in seen
    for name in seen:
        await odd_agent.ask(GetVolumeRequest(pool=pool, volume=name, view=VIEW_FULL))
    for name in set(seen) - {"well.raw"}:
        await _foreseen(odd_agent, CloneVolumeRequest(pool=pool, volume=name, spec=CloneSpec(name="copy.raw")))
        await _foreseen(odd_agent, DeleteVolumeRequest(pool=pool, volume="copy.raw", allow_missing=True))
    await odd_agent.done(StopPoolRequest(pool=pool))


async def _foreseen(agent: RawAgent, request: Message) -> None:
    """Done or not: whoever wrote the agent has thought of it."""
    with contextlib.suppress(Refused):
        operation = await agent.do(request)
        assert operation.error.code not in {grpc.StatusCode.INTERNAL.value[0], grpc.StatusCode.UNKNOWN.value[0]}, (
            operation
        )


async def test_guests_on_odd_images_hide_no_other_guests_disks(odd_host: EmbeddedHost, odd_agent: RawAgent) -> None:
    await start_dir_pool(odd_host, odd_agent, "images", "well.raw")
    images = [name for name in ODD if "backing" in name or "extension" in name or "cluster" in name]
    for number, name in enumerate(images):
        ODD[name](folder(odd_host, "images") / f"odd{number}")
    for number, disk in enumerate(["well.raw", *(f"odd{number}" for number in range(len(images)))]):
        _define_guest(odd_host, f"guest{number}", folder(odd_host, "images") / disk)
    await odd_agent.done(RefreshPoolRequest(pool="images"))
    guests = {f"guest{number}" for number in range(len(images) + 1)}

    async def known() -> bool:
        answer = await odd_agent.ask(ListDomainDisksRequest())
        return {disk.domain for disk in answer.disks} == guests

    await eventually(known, limit_s=3 * LIMIT_S, what="the disks of all guests are known")


def _define_guest(host: EmbeddedHost, name: str, disk: Path) -> None:
    document = (
        f"<domain type='qemu'><name>{name}</name><memory>65536</memory><os><type>hvm</type></os><devices>"
        f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{disk}'/>"
        "<target dev='vda' bus='virtio'/></disk></devices></domain>"
    )
    virsh(host, "define", "/dev/stdin", document=document)
