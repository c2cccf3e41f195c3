"""What the agent makes, names, resizes, dates and removes, through a real worker: each where it is meant to be."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Self

import pytest

from poolfleet_agent.files.routed import RoutedFiles
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.ports import MadeFile
from poolfleet_agent.model.share_user import ShareUser


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


async def test_a_file_is_dated_anew_where_it_is_and_on_its_device_only(files: RoutedFiles, tmp_path: Path) -> None:
    sign = tmp_path / "sign"
    assert not await files.date_anew(str(sign))
    sign.touch()
    os.utime(sign, (1000.0, 1000.0))
    with pytest.raises(ModelError) as elsewhere:
        await files.date_anew(str(sign), device="0:1")
    assert (elsewhere.value.reason, sign.stat().st_mtime) == (Reason.UNMOUNTED, 1000.0)
    assert await files.date_anew(str(sign))
    assert sign.stat().st_mtime > 1_000_000.0


@pytest.mark.parametrize("size_bytes", [1 << 62, 1 << 63, 1 << 64])
async def test_what_is_longer_than_any_file_is_refused_and_nothing_stays(
    files: RoutedFiles, tmp_path: Path, size_bytes: int
) -> None:
    with pytest.raises(ModelError) as made:
        await files.make_empty(str(tmp_path / "new"), size_bytes=size_bytes, mode=0o600)
    (tmp_path / "old").touch()
    inode = (tmp_path / "old").stat().st_ino
    with pytest.raises(ModelError) as resized:
        await files.resize_if(str(tmp_path / "old"), inode=inode, size_bytes=0, new_size_bytes=size_bytes)
    assert (made.value.reason, resized.value.reason) == (Reason.TOO_LARGE, Reason.TOO_LARGE)
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
