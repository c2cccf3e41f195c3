"""Overwrites with zeros all that a file holds: its length stays, and its holes stay holes.

`python -I -S wipe.py UID GID NAME INODE`, in the file's folder. What is written goes to the storage bit by bit, so that
its progress is true, an end by a signal comes at once, and the host's memory is not filled with zeros.
"""

import os
import sys
from collections.abc import Iterator

if __name__ == "__main__":
    # A program in isolated mode is given no folder to import from, not even its own.
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from poolfleet_agent.processes.holes import data_ranges
from poolfleet_agent.processes.own_file import Telling, own_file

CHUNK_BYTES = 256 << 10
SYNCED_EVERY_BYTES = 32 << 20

_ZEROS = bytes(CHUNK_BYTES)


def main(uid: str, gid: str, name: str, inode: str) -> None:
    """Wipe; end with words on standard error where that fails."""
    with own_file(uid, gid, name, inode) as file:
        found = os.fstat(file)
        # Not every file system tells where its holes are: then they read as zeros, which are left as they are.
        has_holes = found.st_blocks * 512 < found.st_size
        telling = Telling(found.st_size)
        telling.done(0)
        unsynced_from = 0
        for begin, end in _chunks(file, found.st_size):
            if not has_holes or os.pread(file, end - begin, begin) != _ZEROS[: end - begin]:
                _write_zeros(file, begin, end)
            if end - unsynced_from >= SYNCED_EVERY_BYTES:
                _sync(file, unsynced_from, end)
                unsynced_from = end
            telling.done(end)
        _sync(file, unsynced_from, found.st_size)
        telling.done(found.st_size)


def _chunks(file: int, size_bytes: int) -> Iterator[tuple[int, int]]:
    """Where something is written, in pieces."""
    for data_begin, data_end in data_ranges(file, size_bytes):
        for begin in range(data_begin, data_end, CHUNK_BYTES):
            yield begin, min(begin + CHUNK_BYTES, data_end)


def _write_zeros(file: int, begin: int, end: int) -> None:
    while begin < end:
        begin += os.pwrite(file, _ZEROS[: end - begin], begin)


def _sync(file: int, begin: int, end: int) -> None:
    os.fdatasync(file)
    os.posix_fadvise(file, begin, end - begin, os.POSIX_FADV_DONTNEED)


if __name__ == "__main__":
    main(*sys.argv[1:])
