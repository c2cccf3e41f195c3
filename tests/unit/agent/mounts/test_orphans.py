"""Mount programs that an agent left behind: ended for their target, and nobody else's."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from poolfleet_agent.mounts.orphans import end_orphans

LIMIT_S = 20.0


@pytest.fixture
def helper(tmp_path: Path) -> Path:
    (tmp_path / "mount.nfs").write_text("#!/bin/sh\nread -r _\n")
    (tmp_path / "mount.nfs").chmod(0o755)
    os.mkfifo(tmp_path / "never")
    return tmp_path / "mount.nfs"


def target_of(helper: Path, name: str) -> str:
    """One that nobody else on this machine has: all its processes are looked through."""
    return str(helper.parent / name)


def argv(helper: Path, target: str) -> list[str]:
    return [str(helper), "nfs1:/export", target]


def running(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def left_behind(helper: Path, target: str) -> int:
    """A helper for that target whose starter is gone."""
    program = (
        "import os, subprocess, sys; "
        "print(subprocess.Popen(sys.argv[2:], stdin=os.open(sys.argv[1], os.O_RDWR), "
        "stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True).pid)"
    )
    command = [sys.executable, "-c", program, str(helper.parent / "never"), *argv(helper, target)]
    pid = int(subprocess.run(command, capture_output=True, text=True, check=True, timeout=LIMIT_S).stdout)
    until_named(pid)
    return pid


def until_named(pid: int) -> None:
    """The kernel names it by its file only once it has become that."""
    ends_s = time.monotonic() + LIMIT_S
    while Path(f"/proc/{pid}/comm").read_text().strip() != "mount.nfs":
        assert time.monotonic() < ends_s


def test_one_whose_starter_is_gone_is_ended_for_its_target_alone(helper: Path) -> None:
    target, other = target_of(helper, "a"), target_of(helper, "b")
    ours, others = left_behind(helper, target), left_behind(helper, other)
    assert end_orphans(target)
    assert (running(ours), running(others)) == (False, True)
    assert not end_orphans(target)
    assert end_orphans(other)
    assert not running(others)


def test_one_that_somebody_waits_for_is_left_alone(helper: Path) -> None:
    target = target_of(helper, "c")
    with subprocess.Popen(argv(helper, target), stdin=os.open(helper.parent / "never", os.O_RDWR)) as waited_for:
        until_named(waited_for.pid)
        assert not end_orphans(target)
        assert waited_for.poll() is None
        waited_for.kill()
