"""A real worker process, and files whose opening hangs until they are let go."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from poolfleet_agent.files.channel import Channel
from poolfleet_agent.files.routed import RoutedFiles
from poolfleet_agent.processes.child import Children


class Hanging:
    """Files that nobody can open: the kernel holds each open() until the lease is given back."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: list[int] = []

    def file(self) -> str:
        """Make one more."""
        path = self._folder / f"hanging-{len(self._held)}"
        path.write_bytes(b"at last")
        descriptor = os.open(path, os.O_RDONLY)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        self._held.append(descriptor)
        return str(path)

    def let_go(self) -> None:
        """Let every open() go on."""
        while self._held:
            os.close(self._held.pop())


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[Hanging]:
    # The kernel asks for the lease back by this signal, which would end us.
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    files = Hanging(tmp_path)
    yield files
    files.let_go()
    signal.signal(signal.SIGIO, before)


@pytest.fixture
async def channel(children: Children) -> AsyncIterator[Channel]:
    channel = Channel(children)
    yield channel
    await channel.close()


@pytest.fixture
def files(channel: Channel) -> RoutedFiles:
    return RoutedFiles(channel)
