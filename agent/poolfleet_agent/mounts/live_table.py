"""The mount table as it is now, read anew only when the kernel says that it changed.

The kernel marks an open mountinfo as urgent (poll(2): POLLPRI) once for each change. Two are held open: one is asked
before each use, so that no answer is older than its question; the other wakes the event loop. asyncio waits for
reading only, which a mountinfo always allows: an epoll between the two turns its urgency into that.
"""

import asyncio
import select
from collections.abc import Callable
from pathlib import Path

from poolfleet_agent.model.mount_table import MountTable
from poolfleet_agent.mounts.mountinfo import OWN_MOUNTINFO, read_mount_table


class LiveMountTable:
    """Belongs to the event loop on which it is made; `changed` may be set to what is called there after changes."""

    def __init__(self, path: Path = OWN_MOUNTINFO) -> None:
        self._path = path
        self._asked = path.open("rb")
        self._waited_for = path.open("rb")
        self._question = select.poll()
        self._question.register(self._asked, select.POLLPRI)
        self._wake = select.epoll()
        self._wake.register(self._waited_for, select.EPOLLPRI | select.EPOLLET)
        self._table = read_mount_table(path)
        self.changed: Callable[[], None] = lambda: None
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._wake.fileno(), self._woken)

    def current(self) -> MountTable:
        """What is mounted, now."""
        if self._question.poll(0):
            self._table = read_mount_table(self._path)
        return self._table

    def close(self) -> None:
        """Watch no more."""
        self._loop.remove_reader(self._wake.fileno())
        self._wake.close()
        self._waited_for.close()
        self._asked.close()

    def _woken(self) -> None:
        self._wake.poll(0)
        self.changed()
