"""Keeps a mount namespace open: a tmpfs on /run, and a host's own folders over those of libvirt.

Run as a program by embedded.surroundings, as root: `python -I -S holder.py FOLDER=TARGET …`. It prints one line when all
is mounted, and then stays. By system calls, because `unshare --propagation private` refuses a chroot whose root is no
mount point.
"""

from __future__ import annotations

import ctypes
import os
import sys

CLONE_NEWNS = 0x00020000
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 1 << 18

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def mount(source: str, target: str, kind: str | None, flags: int) -> None:
    """mount(2); raises OSError."""
    arguments = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    _check(_libc.mount(*arguments, ctypes.c_ulong(flags), None), f"mount {target}")


def make_all_private() -> None:
    """Let no mount made from here on be seen outside, even when our root is a chroot in a shared mount."""
    own_root = os.open("/", os.O_DIRECTORY)
    # Another root, one that we stand above, leaves the way up to the root of all mounts open.
    os.chroot("/proc")
    for _ in range(64):
        os.chdir("..")
    os.chroot(".")
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    os.fchdir(own_root)
    os.chroot(".")
    os.close(own_root)


def main(binds: list[str]) -> None:
    """Make the namespace, say so, and stay until killed."""
    _check(_libc.unshare(CLONE_NEWNS), "unshare")
    make_all_private()
    mount("tmpfs", "/run", "tmpfs", 0)
    for bind in binds:
        folder, _, target = bind.partition("=")
        mount(folder, target, None, MS_BIND)
    os.write(1, b"ready\n")
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.execvp("sleep", ["sleep", "infinity"])


if __name__ == "__main__":
    main(sys.argv[1:])
