"""A person at a terminal, for tests of what is different there."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import struct
import termios
from collections.abc import Callable

from tests.unit.client.cli.conftest import POOLFLEET, Terminal


class Person:
    """Someone at a terminal of 90 columns, who reads and types."""

    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 90, 0, 0))
        self.seen = ""
        self.process: asyncio.subprocess.Process | None = None

    async def starts(self, poolfleet: Terminal, *words: str) -> asyncio.subprocess.Process:
        environment = {**poolfleet.environment, "TERM": "xterm-256color"}
        end = self.slave
        self.process = await asyncio.create_subprocess_exec(
            # Of no terminal but this one: what is asked in secret would be asked of whoever runs the tests.
            POOLFLEET, *words, stdin=end, stdout=end, stderr=end, env=environment, start_new_session=True,
        )  # fmt: skip
        asyncio.get_running_loop().add_reader(self.master, self._read)
        return self.process

    def _read(self) -> None:
        self.seen += os.read(self.master, 65536).decode(errors="replace")

    async def reads(self, is_there: Callable[[str], bool]) -> None:
        async with asyncio.timeout(60):
            while not is_there(self.seen):
                await asyncio.sleep(0.01)

    def types(self, words: str) -> None:
        os.write(self.master, words.encode())

    def leaves(self) -> None:
        """Close the terminal."""
        os.close(self.master)
        os.close(self.slave)

    async def sees_the_end(self) -> int:
        assert self.process is not None
        return await asyncio.wait_for(self.process.wait(), 60)
