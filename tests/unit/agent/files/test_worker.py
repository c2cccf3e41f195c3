"""The worker by itself: its frames, its end, and how little it needs."""

from __future__ import annotations

import ast
import errno
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolfleet_agent.files import frames, looking, making, worker
from poolfleet_agent.files.frames import pack, unpack
from tests.unit.agent.files.conftest import Hanging

SOURCE = Path(worker.__file__)


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-I", "-S", str(SOURCE)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"MALLOC_ARENA_MAX": "1"}
    ) as child:
        yield child
        child.kill()


def ask(process: subprocess.Popen[bytes], *question: bytes) -> list[bytes]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(pack(*question))
    process.stdin.flush()
    length = process.stdout.read(4)
    return unpack(process.stdout.read(int.from_bytes(length, "big"))) if length else []


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_a_frame_holds_any_fields(fields: list[bytes]) -> None:
    frame = pack(*fields)
    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    assert unpack(frame[4:]) == fields


def test_an_answer_has_the_question_s_id_and_the_errno(process: subprocess.Popen[bytes]) -> None:
    assert ask(process, b"7", b"stat", b"/nowhere") == [b"7", b"2"]
    assert ask(process, b"8", b"ping") == [b"8", b"0"]


def test_the_end_of_its_input_is_its_end(process: subprocess.Popen[bytes], hanging: Hanging) -> None:
    assert process.stdin is not None
    for number in range(worker.THREADS):
        process.stdin.write(pack(b"%d" % number, b"head", os.fsencode(hanging.file()), b"1"))
    assert ask(process, b"p", b"ping") == [b"p", b"0"]
    process.stdin.close()
    assert process.wait(timeout=30) == 0


def test_a_request_that_is_not_understood_ends_it(process: subprocess.Popen[bytes]) -> None:
    assert ask(process, b"7", b"unheard of", b"/") == []
    assert process.wait(timeout=30) == 70


@pytest.mark.parametrize("question", [(b"make_exclusive", b"v", b"mine", b""), (b"make_empty", b"512", b"384", b"")])
def test_what_cannot_be_written_is_not_left(
    process: subprocess.Popen[bytes], tmp_path: Path, question: tuple[bytes, ...]
) -> None:
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, 0))
    operation, *arguments = question
    assert ask(process, b"7", operation, os.fsencode(tmp_path / "r"), *arguments) == [b"7", b"%d" % errno.EFBIG]
    assert list(tmp_path.iterdir()) == []


def test_it_imports_the_standard_library_and_its_own_parts_only() -> None:
    parts = {SOURCE.stem}
    for part in (looking, making, frames):
        parts.add(Path(str(part.__file__)).stem)
    for part_name in parts:
        tree = ast.parse(SOURCE.with_stem(part_name).read_text())
        modules = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
        modules += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        foreign = [name for name in modules if name.split(".")[0] not in sys.stdlib_module_names]
        own = {
            "poolfleet_agent.processes.become",
            "poolfleet_agent.processes.holes",
            "poolfleet_agent.files",
            *(f"poolfleet_agent.files.{name}" for name in parts),
        }
        assert set(foreign) <= own


def test_it_is_small(process: subprocess.Popen[bytes]) -> None:
    for number in range(20):
        ask(process, b"%d" % number, b"names", b"/usr/bin")
    rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    (pss_kib,) = [int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")]
    # Measured: 8 MiB where nothing is shared with another interpreter.
    assert pss_kib < 16 * 1024


def test_what_it_makes_is_readable_to_all_however_strict_the_agent_s_umask_is(tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-S", str(SOURCE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, umask=0o077) as strict:
        assert ask(strict, b"1", b"make_exclusive", os.fsencode(tmp_path / "r"), b"v", b"mine", b"")[1] == b"0"
        assert ask(strict, b"2", b"make_whole", os.fsencode(tmp_path / "f/m"), b"mine", b"t")[1] == b"0"
        strict.kill()
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert modes == {"r": 0o644, "f": 0o755, "m": 0o644}
