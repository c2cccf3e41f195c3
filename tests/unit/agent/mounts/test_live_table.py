"""The mount table follows the kernel's, and wakes who waits for it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

from poolfleet_agent.mounts.live_table import LiveMountTable
from poolfleet_agent.mounts.mountinfo import read_mount_table

SCRIPT = """
import asyncio, subprocess
from poolfleet_agent.mounts.live_table import LiveMountTable

def run(*argv):
    subprocess.run(argv, check=True, timeout=30)

async def main():
    table = LiveMountTable()
    woken = asyncio.Event()
    table.changed = woken.set
    run("mount", "-t", "tmpfs", "server:/export", "/mnt")
    print(table.current().on("/mnt").source)
    for undo in (("umount", "/mnt"), ("mount", "-t", "tmpfs", "other:/export", "/mnt")):
        async with asyncio.timeout(30):
            await woken.wait()
        woken.clear()
        run(*undo)
        entry = table.current().on("/mnt")
        print(entry.source if entry else None)
    table.close()

asyncio.run(main())
"""


async def test_without_a_change_the_table_is_not_read_again() -> None:
    table = LiveMountTable()
    assert table.current() is table.current()
    assert table.current().on("/") == read_mount_table().on("/")
    table.close()


if os.geteuid() == 0:

    async def test_a_change_is_seen_at_once_and_wakes_the_loop() -> None:
        argv = ["unshare", "--mount", sys.executable, "-c", SCRIPT]
        done = await asyncio.to_thread(subprocess.run, argv, capture_output=True, text=True, timeout=60, check=False)
        assert done.stdout.split() == ["server:/export", "None", "other:/export"], done.stderr
