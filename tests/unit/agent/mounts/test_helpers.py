"""Which mount helpers are libvirt's: descendants of who listens on its socket; that very one is ended, no other."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from poolfleet_agent.mounts.helpers import LibvirtMountHelpers

LIMIT_S = 20.0

DAEMON = """
import os, socket, subprocess, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
helper = subprocess.Popen([sys.argv[2]], stdin=subprocess.PIPE)
print(helper.pid, flush=True)
helper.wait()
print("went on", flush=True)
sys.stdin.read()
"""
"""Listens on a socket, and waits for a program that it has started."""

HELPER = "#!/bin/sh\nread -r _\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("mount", "mount.nfs"):
        (tmp_path / name).write_text(HELPER)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "mount").write_text(f"#!/bin/sh\n{tmp_path}/mount.nfs\nexit 32\n")
    return tmp_path


@contextlib.contextmanager
def daemon(folder: Path, name: str, helper: str) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-c", DAEMON, str(folder / name), str(folder / helper)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield process
        finally:
            process.kill()


async def test_the_helper_that_the_daemon_waits_for_is_found_and_ended_and_nobody_else_s(folder: Path) -> None:
    with daemon(folder, "libvirt", "mount") as libvirt, daemon(folder, "other", "mount.nfs") as other:
        helpers = LibvirtMountHelpers([folder / "libvirt"])
        found = await helpers.of_libvirt()
        async with asyncio.timeout(LIMIT_S):
            # The shell needs a moment to become it.
            while [helper.name for helper in found] != ["mount.nfs"]:
                await asyncio.sleep(0.01)
                found = await helpers.of_libvirt()
        (helper,) = found
        assert 0 <= helper.running_s < LIMIT_S
        assert not helpers.kill(replace(helper, started_ticks=helper.started_ticks - 1)), "its number is another's now"
        os.kill(helper.pid, 0)
        assert helpers.kill(helper)
        assert libvirt.stdout is not None
        assert await asyncio.to_thread(libvirt.stdout.readline) == "went on\n"
        assert not await helpers.of_libvirt()
        assert not helpers.kill(helper)
        assert other.poll() is None


async def test_a_mount_that_waits_for_no_server_is_left_alone(folder: Path) -> None:
    (folder / "mount").write_text(HELPER)
    with daemon(folder, "libvirt", "mount") as libvirt:
        assert not await LibvirtMountHelpers([folder / "libvirt"]).of_libvirt()
        assert libvirt.poll() is None


async def test_a_socket_on_which_nobody_listens_leads_to_no_process_of_others(folder: Path) -> None:
    with daemon(folder, "other", "mount.nfs"):
        assert not await LibvirtMountHelpers([folder / "missing"]).of_libvirt()
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(folder / "deaf"))
            assert not await LibvirtMountHelpers([folder / "deaf"]).of_libvirt()
