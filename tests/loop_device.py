"""A loop device on a file: a real disk for who is root."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

LIMIT_S = 30.0
SIZE_BYTES = 64 << 20


@contextlib.contextmanager
def loop_device(image: Path, *, size_bytes: int = SIZE_BYTES) -> Iterator[str]:
    """Give its path; it is gone after the block, with what partitions it was given."""
    with image.open("wb") as file:
        file.truncate(size_bytes)
    device = told_by("losetup", "--find", "--show", str(image)).strip()
    try:
        yield device
    finally:
        # The kernel would keep them for the next one of that number. Where there are none, it fails.
        subprocess.run(["partx", "--delete", device], check=False, capture_output=True, timeout=LIMIT_S)
        told_by("losetup", "--detach", device)


def told_by(*argv: str) -> str:
    """What a program of the host's says; raises CalledProcessError where it fails."""
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=LIMIT_S).stdout
