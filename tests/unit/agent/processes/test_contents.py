"""Programs of our own change what a file holds, in place: on that file only, and telling how far they are."""

from __future__ import annotations

import ast
import asyncio
import os
import resource
import sys
from pathlib import Path
from types import ModuleType

import pytest

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.image import ImageFile
from poolfleet_agent.model.operation import Progress
from poolfleet_agent.model.share_user import ROOT, ShareUser
from poolfleet_agent.processes import allocate, become, holes, in_folder, own_file, wipe
from poolfleet_agent.processes.child import Children
from poolfleet_agent.processes.contents import FileContents
from poolfleet_agent.processes.jobs import Jobs
from tests.unit.agent.processes.conftest import LIMIT_S, Listener

MIB = 1 << 20


@pytest.fixture
def contents(children: Children) -> FileContents:
    return FileContents(Jobs(children, most=1))


def file_of(path: Path, *, inode: int | None = None, device: str = "") -> ImageFile:
    return ImageFile(path=str(path), inode=path.stat().st_ino if inode is None else inode, device=device)


async def allocated(contents: FileContents, file: ImageFile, size_bytes: int) -> list[str]:
    listener = Listener()
    await contents.allocate(file, size_bytes, user=ROOT, listener=listener, timeout_s=LIMIT_S)
    return listener.told


async def test_what_is_allocated_keeps_what_it_holds_and_its_holes_take_their_bytes(
    contents: FileContents, tmp_path: Path
) -> None:
    path = tmp_path / "-v"
    path.write_bytes(b"x" * 5000)
    os.truncate(path, 3 * MIB)
    told = await allocated(contents, file_of(path), 3 * MIB)
    facts = path.stat()
    assert (facts.st_size, facts.st_blocks * 512) == (3 * MIB, 3 * MIB)
    assert path.read_bytes() == b"x" * 5000 + bytes(3 * MIB - 5000)
    assert told[-1] == f"{3 * MIB} of {3 * MIB}"


async def wiped(contents: FileContents, file: ImageFile, *, user: ShareUser = ROOT) -> list[str]:
    listener = Listener()
    await contents.wipe(file, user=user, listener=listener, timeout_s=LIMIT_S)
    return listener.told


@pytest.mark.parametrize("size_bytes", [0, 1, 5000, 256 * 1024, 3 * MIB + 7])
async def test_what_is_wiped_reads_as_zeros_and_keeps_its_length_and_its_bytes(
    contents: FileContents, tmp_path: Path, size_bytes: int
) -> None:
    path = tmp_path / "-v"
    path.write_bytes(b"x" * size_bytes)
    before = path.stat()
    told = await wiped(contents, file_of(path))
    assert path.read_bytes() == bytes(size_bytes)
    assert (path.stat().st_ino, path.stat().st_blocks) == (before.st_ino, before.st_blocks)
    assert told[-1] == f"{size_bytes} of {size_bytes}"


async def test_holes_stay_holes_and_what_lies_between_them_is_wiped(contents: FileContents, tmp_path: Path) -> None:
    path = tmp_path / "v"
    with path.open("wb") as file:
        for offset in (MIB, 20 * MIB):
            file.seek(offset)
            file.write(b"x" * 5000)
        file.truncate(64 * MIB)
    before = path.stat().st_blocks
    await wiped(contents, file_of(path))
    assert (path.stat().st_size, path.stat().st_blocks) == (64 * MIB, before)
    assert path.read_bytes() == bytes(64 * MIB)


async def test_where_a_file_system_tells_of_no_holes_zeros_are_left_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "v"
    path.write_bytes(b"x" * 5000)
    os.truncate(path, 8 * MIB)
    before = path.stat().st_blocks
    monkeypatch.setattr(wipe, "data_ranges", lambda _, size_bytes: [(0, size_bytes)])
    wipe.main("0", "0", str(path), str(path.stat().st_ino))
    # One piece, in which something was written, is filled.
    assert path.stat().st_blocks * 512 <= before * 512 + wipe.CHUNK_BYTES
    assert path.read_bytes() == bytes(8 * MIB)


async def test_a_wipe_that_is_cancelled_writes_no_more(contents: FileContents, tmp_path: Path) -> None:
    path = tmp_path / "v"
    path.write_bytes(b"x" * (256 * MIB))
    begun = asyncio.Event()

    class Begun(Listener):
        def progress(self, progress: Progress) -> None:
            begun.set()

    wiping = asyncio.create_task(contents.wipe(file_of(path), user=ROOT, listener=Begun(), timeout_s=LIMIT_S))
    await begun.wait()
    wiping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await wiping
    left = path.read_bytes()
    assert len(left) == 256 * MIB
    assert left.endswith(b"x"), "it was cut off before its end"
    (tmp_path / "mark").touch()
    assert path.stat().st_mtime_ns <= (tmp_path / "mark").stat().st_mtime_ns
    assert path.read_bytes() == left


if os.geteuid() == 0:

    async def test_it_acts_as_its_user(contents: FileContents, tmp_path: Path) -> None:
        path = tmp_path / "v"
        path.write_bytes(b"precious")
        path.chmod(0o600)
        for folder in (tmp_path, *tmp_path.parents):
            if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
                folder.chmod(folder.stat().st_mode | 0o055)
        with pytest.raises(ModelError) as denied:
            await wiped(contents, file_of(path), user=ShareUser(uid=64055, gid=107))
        assert denied.value.metadata["errno"] == "EACCES"
        os.chown(path, 64055, 107)
        await wiped(contents, file_of(path), user=ShareUser(uid=64055, gid=107))
        assert path.read_bytes() == bytes(8)


@pytest.mark.parametrize("what", ["another inode", "a link", "a pipe", "another device"])
async def test_what_is_not_that_file_is_left_alone(contents: FileContents, tmp_path: Path, what: str) -> None:
    real, path = tmp_path / "real", tmp_path / "v"
    real.write_bytes(b"precious")
    file, reason = file_of(real), Reason.RESOURCE_BUSY
    if what == "another inode":
        path.write_bytes(b"other")
    elif what == "a link":
        path.symlink_to(real)
        reason = Reason.PATH_NOT_USABLE
    elif what == "a pipe":
        os.mkfifo(path)
    else:
        path.hardlink_to(real)
        reason = Reason.UNMOUNTED
    device = "0:99999" if what == "another device" else ""
    found = ImageFile(path=str(path), inode=file.inode, device=device)
    for working in (allocated(contents, found, MIB), wiped(contents, found)):
        with pytest.raises(ModelError) as refused:
            await working
        assert refused.value.reason is reason
    assert real.read_bytes() == b"precious"


async def test_what_does_not_fit_says_so(contents: FileContents, tmp_path: Path) -> None:
    path = tmp_path / "v"
    path.touch()
    # For the programs that are started meanwhile: no disk is filled for it.
    longest, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, hard))
    try:
        with pytest.raises(ModelError) as refused:
            await allocated(contents, file_of(path), 2 * MIB)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (longest, hard))
    assert refused.value.reason is Reason.TOO_LARGE
    assert "File too large" in refused.value.message


@pytest.mark.parametrize("program", [allocate, wipe, in_folder, own_file, become, holes])
def test_programs_need_the_standard_library_and_their_own_parts_only(program: ModuleType) -> None:
    tree = ast.parse(Path(str(program.__file__)).read_text())
    modules = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    modules += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    foreign = {name for name in modules if name.split(".")[0] not in sys.stdlib_module_names}
    assert foreign <= {f"poolfleet_agent.processes.{part}" for part in ("own_file", "become", "holes")}
