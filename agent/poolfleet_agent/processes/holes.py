"""Where a file holds anything beside its holes. The standard library only."""

import errno
import os
from collections.abc import Iterator


def data_ranges(file: int, size_bytes: int) -> Iterator[tuple[int, int]]:
    """Begin and end of each piece of an open file up to that length; all of it where its file system tells no holes."""
    end = 0
    while end < size_bytes:
        try:
            begin = os.lseek(file, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return  # nothing but a hole
            raise
        end = os.lseek(file, begin, os.SEEK_HOLE)
        yield begin, min(end, size_bytes)
