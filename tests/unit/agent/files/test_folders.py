"""What the agent sees of a pool's folder, through a real worker."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from poolfleet_agent.files import listing
from poolfleet_agent.files.channel import Channel
from poolfleet_agent.files.folders import RoutedFolders
from poolfleet_agent.files.listing import SETTLES_IN_NS
from poolfleet_agent.model.image_facts import ImageFacts
from poolfleet_agent.model.ports import FileKind, Folders
from tests.image_corpus import LUKS_1, LUKS_UUID, sealed_qcow2
from tests.unit.agent.files.conftest import Hanging

LONG_AGO_NS = 1_700_000_000_000_000_000


@pytest.fixture
def borders() -> list[str]:
    """Where network mounts are; a test adds to it."""
    return []


@pytest.fixture
def folders(channel: Channel, borders: list[str]) -> Folders:
    return RoutedFolders(channel, lambda: borders)


async def names(folders: Folders, folder: Path, *, most: int = 100) -> list[str]:
    """All pages."""
    found: list[str] = []
    after = b""
    while (page := await folders.page(str(folder), after=after, most=most)) is not None:
        found += [name.decode() for name in page.stamps]
        if not (after := page.next_after):
            break
    return found


async def stamp(folders: Folders, path: Path) -> bytes:
    page = await folders.page(str(path.parent), after=b"", most=100)
    assert page is not None
    return page.stamps[path.name.encode()]


@contextmanager
def opens_of(folder: Path) -> Iterator[Callable[[], list[str]]]:
    """Tells what was opened in a folder since it was last asked, by inotify(7)."""
    libc, is_opened = ctypes.CDLL(None, use_errno=True), 0x20
    watch = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    assert libc.inotify_add_watch(watch, os.fsencode(folder), is_opened) >= 0

    def opened() -> list[str]:
        try:
            events = os.read(watch, 4096)
        except BlockingIOError:
            return []
        found = []
        while events:
            length = struct.unpack_from("iIII", events)[3]
            found.append(events[16 : 16 + length].rstrip(b"\0").decode())
            events = events[16 + length :]
        return found

    yield opened
    os.close(watch)


def failing_opens(monkeypatch: pytest.MonkeyPatch, begin: bytes, *numbers: int) -> None:
    """Opening for reading fails so often and so, one after the other, where a path begins so."""
    open_really, left = os.open, list(numbers)

    def opened(path: bytes, flags: int) -> int:
        if path.startswith(begin) and left and not flags & os.O_PATH:
            raise OSError(left.pop(0), "as told")
        return open_really(path, flags)

    monkeypatch.setattr(os, "open", opened)


@pytest.mark.parametrize("most", [1, 2, 3, 100])
async def test_pages_have_each_entry_once_in_the_order_of_its_bytes(
    folders: Folders, tmp_path: Path, most: int
) -> None:
    made = sorted(["b", "a", "é", "Z", ".hidden", "a b", "☃"], key=str.encode)
    for name in made:
        (tmp_path / name).touch()
    assert await names(folders, tmp_path, most=most) == made


async def test_only_what_a_volume_can_be_is_an_entry(folders: Folders, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "to-nothing").symlink_to("nothing")
    (tmp_path / "to-itself").symlink_to("to-itself")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "to-pipe").symlink_to("pipe")
    assert await names(folders, tmp_path) == ["file", "folder", "link"]


async def test_a_folder_that_is_missing_is_no_empty_one(folders: Folders, tmp_path: Path) -> None:
    assert await folders.page(str(tmp_path / "missing"), after=b"", most=1) is None


CHANGES: dict[str, Callable[[Path], object]] = {
    "written": lambda path: path.write_bytes(b"y" * 512),
    "longer": lambda path: os.truncate(path, 4096),
    "of another mode": lambda path: path.chmod(0o600),
    "written in the past": lambda path: os.utime(path, ns=(0, LONG_AGO_NS)),
    "another file": lambda path: (path.with_name("new").write_bytes(b"x" * 512), path.with_name("new").rename(path)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
async def test_a_stamp_is_another_after_a_change_and_no_other_after_none(
    folders: Folders, tmp_path: Path, change: Callable[[Path], object]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 512)
    before = await stamp(folders, path)
    path.read_bytes()
    assert await stamp(folders, path) == before != b""
    change(path)
    assert await stamp(folders, path) != before


async def test_what_changed_only_just_now_is_to_be_looked_at_again(folders: Folders, tmp_path: Path) -> None:
    (path := tmp_path / "file").touch()
    young = await folders.image(str(path))
    assert young is not None
    assert young.stamp == b"", "another change at this moment would leave every time as it is"
    # Nothing makes a file's last change older than it is; some that nobody touches are.
    old = await folders.image("/etc/hostname")
    assert old is not None
    assert SETTLES_IN_NS > 0
    assert old.stamp == await stamp(folders, Path("/etc/hostname"))


async def test_images_are_told_in_the_order_asked_for_and_what_is_gone_is_none(
    folders: Folders, tmp_path: Path
) -> None:
    (tmp_path / "raw").write_bytes(b"x" * 1000)
    (tmp_path / "iso").write_bytes(bytes(32769) + b"CD001" + bytes(100))
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    iso, gone, raw, pipe, folder = await folders.images(str(tmp_path), [b"iso", b"gone", b"raw", b"pipe", b"folder"])
    assert gone is None
    assert pipe is None
    assert iso is not None
    assert iso.image == ImageFacts("iso")
    assert raw is not None
    assert (raw.kind, raw.size_bytes, raw.image) == (FileKind.FILE, 1000, ImageFacts("raw"))
    assert folder is not None
    assert (folder.kind, folder.image) == (FileKind.DIRECTORY, ImageFacts("dir"))
    assert list(await folders.images(str(tmp_path), [])) == []


@pytest.mark.parametrize(("at", "found"), [(1 << 20, f"luks:{LUKS_UUID}"), ((1 << 20) + 1000, ""), (2**64 - 1, "")])
async def test_the_id_within_an_encrypted_image_is_read_from_where_its_header_says(
    folders: Folders, tmp_path: Path, at: int, found: str
) -> None:
    (tmp_path / "sealed.qcow2").write_bytes(sealed_qcow2(at=at).ljust(1 << 20, b"\0") + LUKS_1)
    file = await folders.image(str(tmp_path / "sealed.qcow2"))
    assert file is not None
    assert file.image is not None
    assert (file.image.encryption, file.image.content_id) == ("luks", found)


async def test_what_can_be_no_volume_is_not_even_opened(folders: Folders, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    with opens_of(tmp_path) as opened:
        assert await folders.image(str(tmp_path / "pipe")) is None
        assert opened() == []
        assert await folders.image(str(tmp_path / "file")) is not None
        assert opened() == ["file"]


def test_a_pipe_that_may_not_be_read_is_none_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    failing_opens(monkeypatch, os.fsencode(tmp_path / "pipe"), errno.EACCES)
    assert listing.OPERATIONS[b"images"](os.fsencode(tmp_path / "pipe")) == listing.GONE


async def test_a_name_that_leads_to_one_too_long_is_nothing(folders: Folders, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("a" * 300)
    assert await names(folders, tmp_path) == ["file"]
    gone, file = await folders.images(str(tmp_path), [b"link", b"file"])
    assert gone is None
    assert file is not None


async def test_a_file_that_somebody_holds_a_lease_of_is_there_and_takes_no_other_with_it(
    folders: Folders, tmp_path: Path, hanging: Hanging
) -> None:
    (tmp_path / "file").touch()
    held, file = await folders.images(str(tmp_path), [os.fsencode(os.path.basename(hanging.file())), b"file"])
    assert held is not None
    assert (held.image, held.stamp, held.size_bytes) == (None, b"", len(b"at last"))
    assert file is not None
    assert file.image == ImageFacts("raw")


@pytest.mark.parametrize(("times", "size_bytes"), [(1, b"1"), (2, b"")])
def test_a_file_that_another_host_replaced_is_looked_for_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int, size_bytes: bytes
) -> None:
    (tmp_path / "file").write_bytes(b"x")
    failing_opens(monkeypatch, b"/proc/", *[errno.ESTALE] * times)
    assert listing.OPERATIONS[b"images"](os.fsencode(tmp_path / "file"))[2] == size_bytes


def test_a_file_on_a_damaged_disk_is_told_as_far_as_it_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"x")
    failing_opens(monkeypatch, b"/proc/", errno.EIO)
    assert listing.OPERATIONS[b"images"](os.fsencode(tmp_path / "file"))[1:4] == [b"0", b"1", b""]


async def test_what_lies_on_another_mount_is_not_touched(folders: Folders, tmp_path: Path, borders: list[str]) -> None:
    share, pool = tmp_path / "share", tmp_path / "pool"
    share.mkdir()
    (share / "disk").touch()
    pool.mkdir()
    (pool / "onto-share").symlink_to(share / "disk")
    (pool / "mounted").mkdir()
    (pool / "own").touch()
    borders += [str(share), str(pool / "mounted")]
    assert await stamp(folders, pool / "onto-share") == b""
    assert await stamp(folders, pool / "mounted") == b""
    assert await stamp(folders, pool / "own") != b""
    borders.clear()
    assert await stamp(folders, pool / "onto-share") != b""


async def test_a_pool_s_own_mount_is_none_that_it_may_not_touch(
    folders: Folders, tmp_path: Path, borders: list[str]
) -> None:
    (tmp_path / "disk").touch()
    (tmp_path / "link").symlink_to("disk")
    borders.append(str(tmp_path))
    assert await stamp(folders, tmp_path / "link") == await stamp(folders, tmp_path / "disk") != b""


async def test_many_files_go_through_in_pages(folders: Folders, tmp_path: Path) -> None:
    made = [f"{number:04}" for number in range(3000)]
    for name in made:
        (tmp_path / name).touch()
    asked: Sequence[str] = await names(folders, tmp_path, most=1000)
    assert asked == made
