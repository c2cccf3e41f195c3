"""Runs a program in a folder, if that lies on the device that it should: below an unmounted share nothing is made.

What comes on standard input, one thing after another as `framed` writes them, the program finds in memory, in files
that it can open by the names of `input_name`, as another user too, which a pipe of ours it could not.

`python -I -S in_folder.py DEVICE FOLDER PROGRAM [ARGUMENT …]`; DEVICE is `major:minor`, or empty: any. A folder that
was entered stays what it is, whatever is mounted on its path, or unmounted from there, while the program works in it.
"""

import os
import struct
import sys
from collections.abc import Sequence

NOT_THE_MOUNT = "is not what was mounted there"

_LENGTH = struct.Struct(">I")
_FIRST_INPUT = 3
"""Descriptor of the first; before it are those that every program has."""


def framed(inputs: Sequence[bytes]) -> bytes:
    """What is to come on standard input. How long a thing is, is not for the command line, which everybody reads."""
    return b"".join(_LENGTH.pack(len(content)) + content for content in inputs)


def input_name(index: int) -> str:
    """What the program opens to read one of its inputs."""
    return f"/dev/fd/{_FIRST_INPUT + index}"


def main(device: str, folder: str, argv: Sequence[str]) -> None:
    """Become the program; end with words on standard error where the folder is not the right one."""
    try:
        os.chdir(folder)
    except OSError as error:
        sys.exit(f"{folder}: {error.strerror}")
    found = os.stat(".").st_dev
    if device and device != f"{os.major(found)}:{os.minor(found)}":
        sys.exit(f"{folder} {NOT_THE_MOUNT}")
    _keep_inputs(sys.stdin.buffer.read())
    os.execvp(argv[0], list(argv))  # noqa: S606  no shell: the words are those that the agent made


def _keep_inputs(frames: bytes) -> None:
    place, descriptor = 0, _FIRST_INPUT
    while place < len(frames):
        (length,) = _LENGTH.unpack_from(frames, place)
        place += _LENGTH.size
        kept = os.memfd_create("input", 0)
        with open(kept, "wb", closefd=False) as file:
            file.write(frames[place : place + length])
        os.lseek(kept, 0, os.SEEK_SET)
        if kept != descriptor:
            os.dup2(kept, descriptor)
            os.close(kept)
        place, descriptor = place + length, descriptor + 1


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
