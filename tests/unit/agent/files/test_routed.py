"""What the agent sees of a path, through a real worker."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from poolfleet_agent.files.frames import LONGEST_FRAME_BYTES
from poolfleet_agent.files.routed import RoutedFiles
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.ports import FileKind, Files, Rights


def test_it_is_what_the_inside_asks_for(files: RoutedFiles) -> None:
    port: Files = files
    assert port is files


async def test_stat_says_what_the_kernel_says(files: RoutedFiles, tmp_path: Path) -> None:
    path = tmp_path / "disk.raw"
    path.write_bytes(b"x" * 4096)
    os.truncate(path, 1 << 40)
    path.chmod(0o640)
    os.utime(path, ns=(0, 1_700_000_000_250_000_000))
    facts = await files.stat(str(path))
    assert facts is not None
    expected = path.stat()
    assert facts.kind is FileKind.FILE
    assert facts.size_bytes == 1 << 40
    assert facts.allocated_bytes == expected.st_blocks * 512 < 1 << 20
    assert (facts.device, facts.inode) == (expected.st_dev, expected.st_ino)
    assert (facts.mode, facts.uid, facts.gid) == (0o640, os.getuid(), os.getgid())
    assert facts.modified_at_s == 1_700_000_000.25


async def test_lstat_sees_the_link_and_stat_what_it_leads_to(files: RoutedFiles, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    seen, behind = await files.lstat(str(link)), await files.stat(str(link))
    assert seen is not None
    assert behind is not None
    assert (seen.kind, behind.kind) == (FileKind.SYMLINK, FileKind.DIRECTORY)


async def test_rights_are_those_of_the_worker_s_user(files: RoutedFiles, tmp_path: Path) -> None:
    assert await files.rights(str(tmp_path)) == Rights(read=True, write=True, search=True)
    script = tmp_path / "file"
    script.touch(0o600)
    # Not even root may run what nobody may.
    assert await files.rights(str(script)) == Rights(read=True, write=True, search=False)
    assert await files.rights(str(tmp_path / "missing")) == Rights(read=False, write=False, search=False)


async def test_what_a_file_holds_beside_its_holes_is_told_where_it_is_in_few_pieces(
    files: RoutedFiles, tmp_path: Path
) -> None:
    path = tmp_path / "v"
    with path.open("wb") as file:
        for offset in (1 << 20, 20 << 20):
            file.seek(offset)
            file.write(b"x" * (256 << 10))
        file.truncate(64 << 20)
    assert await files.data_bytes(str(path), most_pieces=2) == 512 << 10
    assert await files.data_bytes(str(path), most_pieces=1) is None
    path.write_bytes(b"")
    assert await files.data_bytes(str(path), most_pieces=1) == 0
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelError) as refused:
        await files.data_bytes(str(tmp_path / "pipe"), most_pieces=1)
    assert refused.value.reason is Reason.PATH_NOT_USABLE


async def test_the_first_name_shows_that_a_directory_can_be_listed(files: RoutedFiles, tmp_path: Path) -> None:
    assert await files.first_name(str(tmp_path)) is None
    assert await files.first_name(str(tmp_path / "missing")) is None
    (tmp_path / "one").touch()
    assert await files.first_name(str(tmp_path)) == b"one"


async def test_what_is_missing_is_none_and_no_error(files: RoutedFiles, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (str(tmp_path / "missing"), str(tmp_path / "missing/below"), str(tmp_path / "file/below")):
        assert await files.stat(path) is None
        assert await files.lstat(path) is None
        assert await files.file_system(path) is None
        assert await files.head(path, 1) is None
        assert await files.data_bytes(path, most_pieces=1) is None
        assert await files.names(path) == ()
        assert await files.lowest_inodes(path, count=1, most_names=1, omitted=()) is None
        assert await files.unlink_if(path, inode=1) is False


async def test_what_can_not_be_looked_at_is_named(files: RoutedFiles, tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for look in (files.stat, files.real_path, files.file_system, files.names):
        with pytest.raises(ModelError) as caught:
            await look(str(loop))
        assert caught.value.reason is Reason.PATH_NOT_USABLE
        assert caught.value.metadata["path"] == str(loop)
        assert caught.value.metadata["errno"] == errno.errorcode[errno.ELOOP]


@pytest.mark.parametrize("path", ["/" + "n" * 300, "/a\x00b"])
async def test_a_path_that_none_can_have_is_an_error_and_not_missing(files: RoutedFiles, path: str) -> None:
    with pytest.raises(ModelError) as caught:
        await files.stat(path)
    assert caught.value.reason is Reason.PATH_NOT_USABLE


async def test_names_that_are_not_utf8_come_as_they_are(files: RoutedFiles, tmp_path: Path) -> None:
    odd = [b"caf\xe9", b"new\nline", b"-o", "größe".encode()]
    for name in odd:
        Path(os.fsdecode(bytes(tmp_path) + b"/" + name)).touch()
    assert sorted(await files.names(str(tmp_path))) == sorted(odd)


async def test_a_path_that_is_not_utf8_can_be_looked_at_and_shown(files: RoutedFiles, tmp_path: Path) -> None:
    path = os.fsdecode(bytes(tmp_path) + b"/caf\xe9")
    os.symlink(path, path)
    assert await files.lstat(path) is not None
    with pytest.raises(ModelError) as caught:
        await files.stat(path)
    assert caught.value.message.encode() == f"{tmp_path}/caf\\xe9: {os.strerror(errno.ELOOP)}".encode()


async def test_a_big_directory_comes_whole(files: RoutedFiles, tmp_path: Path) -> None:
    for number in range(3000):
        (tmp_path / f"{number:0200}").touch()
    assert {int(name) for name in await files.names(str(tmp_path))} == set(range(3000))
    assert 3000 * 204 < LONGEST_FRAME_BYTES


async def test_a_real_path_has_no_links_as_far_as_it_exists(files: RoutedFiles, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "dangling").symlink_to("real/missing")
    assert await files.real_path(str(tmp_path / "link/new/er")) == str(tmp_path / "real/new/er")
    assert await files.real_path(str(tmp_path / "dangling")) == str(tmp_path / "real/missing")


async def test_a_file_system_has_the_kernels_sizes_and_one_id(files: RoutedFiles, tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    one, other = await files.file_system(str(tmp_path)), await files.file_system(str(tmp_path / "below"))
    assert one is not None
    assert other is not None
    kernel = os.statvfs(tmp_path)
    assert one.capacity_bytes == kernel.f_blocks * kernel.f_frsize
    assert 0 <= one.available_bytes <= one.capacity_bytes
    assert one.read_only is False
    assert one.id == other.id
    assert one.id.partition(":")[0] in {"uuid", "fsid", "device"}
    proc = await files.file_system("/proc")
    assert proc is not None
    assert proc.id != one.id


async def test_the_head_of_a_file_is_its_beginning(files: RoutedFiles, tmp_path: Path) -> None:
    path = tmp_path / "disk.qcow2"
    path.write_bytes(b"QFI\xfb" + b"\0" * 100)
    (tmp_path / "link").symlink_to(path)
    assert await files.head(str(path), 4) == b"QFI\xfb"
    assert await files.head(str(tmp_path / "link"), 4) == b"QFI\xfb"
    assert len(await files.head(str(path), 5000) or b"") == 104


async def test_only_regular_files_have_a_head_and_a_pipe_does_not_hold_up_anything(
    files: RoutedFiles, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        for path in (tmp_path / "pipe", tmp_path / "s", tmp_path, Path("/dev/zero")):
            with pytest.raises(ModelError) as caught:
                await files.head(str(path), 10)
            assert caught.value.reason is Reason.PATH_NOT_USABLE


async def test_opening_a_file_of_a_directory_opens_no_pipe_and_needs_no_file(
    files: RoutedFiles, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    await files.open_first(str(tmp_path), timeout_s=10)
    await files.open_first(str(tmp_path / "missing"), timeout_s=10)
    (tmp_path / "file").touch()
    await files.open_first(str(tmp_path), timeout_s=10)
