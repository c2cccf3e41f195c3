"""Runs a program in a folder, if that lies on the device that it should: below an unmounted share nothing is made.

What comes on standard input the program finds there in memory, so that it can open it by the name /dev/stdin too, as
another user, which a pipe of ours it could not.

`python -I -S in_folder.py UMASK DEVICE FOLDER PROGRAM [ARGUMENT …]`; DEVICE is `major:minor`, or empty: any. A
folder that was entered stays what it is, whatever is mounted on its path, or unmounted from there, while the program
works in it.
"""

import os
import sys
from collections.abc import Sequence

NICENESS = 10
"""Long work has time; the agent and libvirt, which somebody waits for, go first."""

NOT_THE_MOUNT = "is not what was mounted there"


def main(umask: str, device: str, folder: str, argv: Sequence[str]) -> None:
    """Become the program; end with words on standard error where the folder is not the right one."""
    os.umask(int(umask, 8))
    os.nice(NICENESS)
    try:
        os.chdir(folder)
    except OSError as error:
        sys.exit(f"{folder}: {error.strerror}")
    found = os.stat(".").st_dev
    if device and device != f"{os.major(found)}:{os.minor(found)}":
        sys.exit(f"{folder} {NOT_THE_MOUNT}")
    _keep_input()
    os.execvp(argv[0], list(argv))  # noqa: S606  no shell: the words are those that the agent made


def _keep_input() -> None:
    kept = os.memfd_create("stdin")
    with open(kept, "wb", closefd=False) as file:
        file.write(sys.stdin.buffer.read())
    os.lseek(kept, 0, os.SEEK_SET)
    os.dup2(kept, 0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:])
