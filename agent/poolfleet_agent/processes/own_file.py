"""The file that one of our programs works on in the folder in which it is started, and how it tells how far it is.

The standard library only. What hears it no more is gone, and then nobody wants the work: the next telling ends it.
"""

import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from poolfleet_agent.processes.become import become

TOLD_EVERY_S = 0.5

NOT_THE_FILE = "is not the file that it was"


@contextmanager
def own_file(uid: str, gid: str, name: str, inode: str) -> Iterator[int]:
    """Become the user, and hold the file open to read and write, if it still is that inode; ends with words else."""
    become(int(uid), int(gid))
    try:
        file = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode) or found.st_ino != int(inode):
                sys.exit(f"{name} {NOT_THE_FILE}")
            yield file
        finally:
            os.close(file)
    except OSError as error:
        sys.exit(f"{name}: {error.strerror}")


class Telling:
    """Tells how many bytes are done, and of how many, a line each time, not more often than somebody can read."""

    def __init__(self, total_bytes: int) -> None:
        self._total_bytes = total_bytes
        self._next_s = 0.0

    def done(self, done_bytes: int) -> None:
        """Tell, if it is time."""
        now_s = time.monotonic()
        if now_s >= self._next_s or done_bytes == self._total_bytes:
            self._next_s = now_s + TOLD_EVERY_S
            sys.stdout.write(f"{done_bytes} {self._total_bytes}\n")
            sys.stdout.flush()
