"""What the agent sees of a path, through a real worker."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import stat
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Self

import pytest

from poolfleet_agent.files.frames import LONGEST_FRAME_BYTES
from poolfleet_agent.files.routed import RoutedFiles
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.ports import FileKind, Files, MadeFile, Rights
from poolfleet_agent.model.share_user import ShareUser


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


async def test_a_file_changes_its_length_only_while_it_is_that_file_of_that_length(
    files: RoutedFiles, tmp_path: Path
) -> None:
    path, link = tmp_path / "v", tmp_path / "link"
    path.write_bytes(b"x" * 100)
    link.symlink_to(path)
    inode = path.stat().st_ino
    assert not await files.resize_if(str(path), inode=inode + 1, size_bytes=100, new_size_bytes=10)
    assert not await files.resize_if(str(path), inode=inode, size_bytes=99, new_size_bytes=10)
    assert not await files.resize_if(str(tmp_path / "none"), inode=inode, size_bytes=100, new_size_bytes=10)
    with pytest.raises(ModelError) as refused:
        await files.resize_if(str(link), inode=inode, size_bytes=100, new_size_bytes=10)
    assert refused.value.reason is Reason.PATH_NOT_USABLE
    with pytest.raises(ModelError) as refused:
        await files.resize_if(str(path), inode=inode, size_bytes=100, new_size_bytes=10, device="0:99999")
    assert refused.value.reason is Reason.UNMOUNTED
    assert path.read_bytes() == b"x" * 100
    assert await files.resize_if(str(path), inode=inode, size_bytes=100, new_size_bytes=10)
    assert await files.resize_if(str(path), inode=inode, size_bytes=10, new_size_bytes=12)
    assert path.read_bytes() == b"x" * 10 + bytes(2)


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


async def test_an_empty_file_is_made_where_there_is_none_and_on_its_device_only(
    files: RoutedFiles, tmp_path: Path
) -> None:
    path = tmp_path / "v"
    with pytest.raises(ModelError) as refused:
        await files.make_empty(str(path), size_bytes=1 << 30, mode=0o600, device="0:99999")
    assert refused.value.reason is Reason.UNMOUNTED
    assert os.listdir(tmp_path) == []
    await files.make_empty(str(path), size_bytes=1 << 30, mode=0o600)
    made = path.stat()
    assert (made.st_size, made.st_blocks, stat.S_IMODE(made.st_mode)) == (1 << 30, 0, 0o600)
    for there in (path, tmp_path / "missing/v"):
        with pytest.raises(ModelError) as refused:
            await files.make_empty(str(there), size_bytes=1, mode=0o600)
        assert refused.value.reason is Reason.PATH_NOT_USABLE
    assert path.stat().st_size == 1 << 30


async def test_the_first_name_shows_that_a_directory_can_be_listed(files: RoutedFiles, tmp_path: Path) -> None:
    assert await files.first_name(str(tmp_path)) is None
    assert await files.first_name(str(tmp_path / "missing")) is None
    (tmp_path / "one").touch()
    assert await files.first_name(str(tmp_path)) == b"one"


async def test_a_whole_file_is_made_once_with_its_folder_and_readable_to_all(
    files: RoutedFiles, tmp_path: Path
) -> None:
    path = tmp_path / "made/file"
    assert await files.make_whole(str(path), b"one", temporary="file.1")
    assert not await files.make_whole(str(path), b"two", temporary="file.2")
    assert path.read_bytes() == b"one"
    assert [stat.S_IMODE(each.stat().st_mode) for each in (path.parent, path)] == [0o755, 0o644]
    assert os.listdir(path.parent) == ["file"]


async def test_a_whole_file_is_not_made_through_a_link(files: RoutedFiles, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "made").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelError) as refused:
        await files.make_whole(str(tmp_path / "made/file"), b"", temporary="file.1")
    assert refused.value.reason is Reason.PATH_NOT_USABLE
    assert os.listdir(tmp_path / "elsewhere") == []


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


async def test_a_file_is_removed_only_if_it_still_is_that_one(files: RoutedFiles, tmp_path: Path) -> None:
    path, other = tmp_path / "file", tmp_path / "other"
    path.touch()
    other.touch()
    inode = path.stat().st_ino
    assert await files.unlink_if(str(other), inode=inode) is False
    assert other.exists()
    assert await files.unlink_if(str(path), inode=inode) is True
    assert not path.exists()
    assert await files.unlink_if(str(path), inode=inode) is False


async def test_a_link_to_the_file_is_not_the_file(files: RoutedFiles, tmp_path: Path) -> None:
    path, link = tmp_path / "file", tmp_path / "link"
    path.touch()
    link.symlink_to(path)
    assert await files.unlink_if(str(link), inode=path.stat().st_ino) is False
    assert stat.S_ISLNK(link.lstat().st_mode)


async def test_a_reservation_is_made_where_neither_it_nor_the_name_is(files: RoutedFiles, tmp_path: Path) -> None:
    path = str(tmp_path / ".reserve.v")
    made = await files.make_exclusive(path, b"mine", unless="v")
    assert made == MadeFile(inode=(tmp_path / ".reserve.v").stat().st_ino, uid=os.getuid())
    assert (tmp_path / ".reserve.v").read_bytes() == b"mine"
    assert await files.make_exclusive(path, b"another's", unless="v") is None
    assert (tmp_path / ".reserve.v").read_bytes() == b"mine"


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, lambda path: path.symlink_to("nowhere")])
async def test_none_is_left_where_the_name_is_taken(
    files: RoutedFiles, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "v")
    assert await files.make_exclusive(str(tmp_path / ".reserve.v"), b"mine", unless="v") is None
    assert [path.name for path in tmp_path.iterdir()] == ["v"]


async def test_of_many_at_once_one_has_it(files: RoutedFiles, tmp_path: Path) -> None:
    path = str(tmp_path / ".reserve.v")
    contents = [b"%d" % number for number in range(20)]
    made = await asyncio.gather(*(files.make_exclusive(path, content, unless="v") for content in contents))
    (winner,) = [content for content, file in zip(contents, made, strict=True) if file is not None]
    assert (tmp_path / ".reserve.v").read_bytes() == winner


async def test_a_reservation_whose_directory_is_missing_or_whose_name_is_too_long_is_refused(
    files: RoutedFiles, tmp_path: Path
) -> None:
    for path in (tmp_path / "missing/.reserve.v", tmp_path / ("n" * 256)):
        with pytest.raises(ModelError) as refused:
            await files.make_exclusive(str(path), b"mine", unless="v")
        assert refused.value.reason is Reason.PATH_NOT_USABLE
    assert list(tmp_path.iterdir()) == []


class Refusing:
    """Answers everything with an errno."""

    def __init__(self, code: int) -> None:
        self._answer = [b"%d" % code]

    async def ask(self, operation: bytes, path: bytes, *arguments: bytes, timeout_s: float) -> list[bytes]:
        return self._answer

    ask_once = ask

    def acting_as(self, user: ShareUser) -> Self:
        return self


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (errno.EROFS, Reason.READ_ONLY),
        (errno.ENOSPC, Reason.FULL),
        (errno.EDQUOT, Reason.QUOTA_EXCEEDED),
        (errno.ESTALE, Reason.STALE),
        (errno.EACCES, Reason.PATH_NOT_USABLE),
    ],
)
async def test_why_nothing_could_be_made_is_told(code: int, reason: Reason) -> None:
    files = RoutedFiles(Refusing(code))
    for making in (
        files.make_exclusive("/p/.r", b"mine", unless="v"),
        files.publish("/p/.new", name="v", size_bytes=None, mode=0o600),
        files.clock_s("/p"),
    ):
        with pytest.raises(ModelError) as refused:
            await making
        assert (refused.value.reason, refused.value.metadata["errno"]) == (reason, errno.errorcode[code])


async def test_only_the_inode_that_was_meant_is_removed(files: RoutedFiles, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    inode = path.stat().st_ino
    assert not await files.unlink_if(str(path), inode=inode + 1)
    assert path.exists()
    assert await files.unlink_if(str(path), inode=inode)
    assert not path.exists()


async def test_a_complete_file_gets_its_name_its_length_and_its_mode(files: RoutedFiles, tmp_path: Path) -> None:
    new = tmp_path / ".new"
    new.write_bytes(b"x")
    inode = new.stat().st_ino
    assert await files.publish(str(new), name="v", size_bytes=1500, mode=0o640) == inode
    (made,) = tmp_path.iterdir()
    assert (made.name, made.stat().st_size, stat.S_IMODE(made.stat().st_mode)) == ("v", 1500, 0o640)


async def test_a_complete_file_takes_nobodys_name(files: RoutedFiles, tmp_path: Path) -> None:
    (tmp_path / ".new").write_bytes(b"mine")
    (tmp_path / "v").write_bytes(b"another's")
    assert await files.publish(str(tmp_path / ".new"), name="v", size_bytes=None, mode=0o600) is None
    assert (tmp_path / "v").read_bytes() == b"another's"
    assert (tmp_path / ".new").read_bytes() == b"mine"


async def test_a_name_that_the_server_gave_before_its_answer_was_lost_is_ours(
    files: RoutedFiles, tmp_path: Path
) -> None:
    (tmp_path / ".new").write_bytes(b"mine")
    os.link(tmp_path / ".new", tmp_path / "v")
    assert await files.publish(str(tmp_path / ".new"), name="v", size_bytes=None, mode=0o600) is not None
    assert [path.name for path in tmp_path.iterdir()] == ["v"]


async def test_the_clock_is_that_of_the_files_and_leaves_none(files: RoutedFiles, tmp_path: Path) -> None:
    before = tmp_path / "before"
    before.touch()
    clock_s = await files.clock_s(str(tmp_path))
    assert 0 <= clock_s - before.stat().st_mtime < 60
    assert list(tmp_path.iterdir()) == [before]
    with pytest.raises(ModelError) as refused:
        await files.clock_s(str(tmp_path / "missing"))
    assert refused.value.reason is Reason.PATH_NOT_USABLE


async def test_a_file_is_made_only_on_the_device_that_its_folder_is_to_lie_on(
    files: RoutedFiles, tmp_path: Path
) -> None:
    found = tmp_path.stat().st_dev
    device = f"{os.major(found)}:{os.minor(found)}"
    with pytest.raises(ModelError) as refused:
        await files.make_exclusive(str(tmp_path / "new"), b"x", unless="other", device="0:99999")
    assert refused.value.reason is Reason.UNMOUNTED
    assert list(tmp_path.iterdir()) == []
    assert await files.make_exclusive(str(tmp_path / "new"), b"x", unless="other", device=device)


@pytest.mark.parametrize("change", ["make_whole", "unlink_if", "clock_s"])
async def test_nothing_is_made_or_removed_where_the_folder_is_on_another_device(
    files: RoutedFiles, tmp_path: Path, change: str
) -> None:
    path, found = tmp_path / "there", tmp_path.stat().st_dev
    path.touch()
    changes: dict[str, Callable[..., Awaitable[object]]] = {
        "make_whole": partial(files.make_whole, str(tmp_path / "made/file"), b"x", temporary="t"),
        "unlink_if": partial(files.unlink_if, str(path), inode=path.stat().st_ino),
        "clock_s": partial(files.clock_s, str(tmp_path)),
    }
    changing, dated = changes[change], tmp_path.stat().st_mtime_ns
    with pytest.raises(ModelError) as refused:
        await changing(device="0:99999")
    assert refused.value.reason is Reason.UNMOUNTED
    assert list(tmp_path.iterdir()) == [path]
    assert tmp_path.stat().st_mtime_ns == dated
    assert await changing(device=f"{os.major(found)}:{os.minor(found)}")


async def test_opening_a_file_of_a_directory_opens_no_pipe_and_needs_no_file(
    files: RoutedFiles, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    await files.open_first(str(tmp_path), timeout_s=10)
    await files.open_first(str(tmp_path / "missing"), timeout_s=10)
    (tmp_path / "file").touch()
    await files.open_first(str(tmp_path), timeout_s=10)
