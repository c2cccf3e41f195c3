"""Programs of our own change what a file holds, in place: on that file only, and telling how far they are."""

from __future__ import annotations

import ast
import os
import resource
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType

import pytest

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.image import ImageFile
from poolfleet_agent.model.share_user import ROOT
from poolfleet_agent.processes import allocate, become, in_folder, own_file
from poolfleet_agent.processes.child import Children
from poolfleet_agent.processes.contents import FileContents
from poolfleet_agent.processes.jobs import Jobs
from tests.unit.agent.processes.test_jobs import LIMIT_S, Listener

MIB = 1 << 20


@pytest.fixture
async def contents() -> AsyncIterator[FileContents]:
    children = Children()
    yield FileContents(Jobs(children, most=1))
    await children.close()


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


@pytest.mark.parametrize("what", ["another inode", "a link", "a pipe", "another device"])
async def test_what_is_not_that_file_is_left_alone(contents: FileContents, tmp_path: Path, what: str) -> None:
    real, path = tmp_path / "real", tmp_path / "v"
    real.write_bytes(b"precious")
    file, reason = file_of(real), Reason.RESOURCE_BUSY
    if what == "another inode":
        path.write_bytes(b"other")
    elif what == "a link":
        path.symlink_to(real)
        reason = Reason.INTERNAL
    elif what == "a pipe":
        os.mkfifo(path)
    else:
        path.hardlink_to(real)
        reason = Reason.UNMOUNTED
    device = "0:99999" if what == "another device" else ""
    with pytest.raises(ModelError) as refused:
        await allocated(contents, ImageFile(path=str(path), inode=file.inode, device=device), MIB)
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


@pytest.mark.parametrize("program", [allocate, in_folder, own_file, become])
def test_programs_need_the_standard_library_and_their_own_parts_only(program: ModuleType) -> None:
    tree = ast.parse(Path(str(program.__file__)).read_text())
    modules = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    modules += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    foreign = {name for name in modules if name.split(".")[0] not in sys.stdlib_module_names}
    assert foreign <= {"poolfleet_agent.processes.own_file", "poolfleet_agent.processes.become"}
