"""Takes from the storage all bytes that a file has by its length: what it holds stays, its holes become zeros.

`python -I -S allocate.py UID GID NAME INODE LENGTH_BYTES`, in the file's folder. Where a file system cannot do that at
once, the C library writes into each block that is lacking; so it goes on piece by piece, and tells how far it is.
"""

import os
import sys

if __name__ == "__main__":
    # A program in isolated mode is given no folder to import from, not even its own.
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from poolfleet_agent.processes.own_file import Telling, own_file

PIECE_BYTES = 64 << 20


def main(uid: str, gid: str, name: str, inode: str, length_bytes: str) -> None:
    """Allocate; end with words on standard error where that fails."""
    with own_file(uid, gid, name, inode) as file:
        total_bytes = int(length_bytes)
        telling = Telling(total_bytes)
        telling.done(0)
        for begin in range(0, total_bytes, PIECE_BYTES):
            end = min(begin + PIECE_BYTES, total_bytes)
            os.posix_fallocate(file, begin, end - begin)
            telling.done(end)
        os.fsync(file)


if __name__ == "__main__":
    main(*sys.argv[1:])
