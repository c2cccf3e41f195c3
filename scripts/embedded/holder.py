"""Keeps a mount namespace open; run as a program by scripts.embedded.namespace, as root.

`python -I -S holder.py ["bind" FOLDER TARGET | "tmpfs" NAME TARGET]…` mounts these in this order, prints one line, and
stays. By system calls, because `unshare --propagation private` refuses a chroot whose root is no mount point.
"""

from __future__ import annotations

import ctypes
import os
import sys

CLONE_NEWNS = 0x00020000
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 1 << 18

# Folders are not nested deeper than this: far enough up to be at the root of all mounts.
DEEPEST = 64

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
    os.chdir("/")
    # With its root moved below where it stands, a process can walk up out of its chroot.
    os.chroot("/proc")
    for _ in range(DEEPEST):
        os.chdir("..")
    os.chroot(".")
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    os.fchdir(own_root)
    os.chroot(".")
    os.close(own_root)


def main(mounts: list[str]) -> None:
    """Make the namespace, say so, and stay until killed."""
    _check(_libc.unshare(CLONE_NEWNS), "unshare")
    make_all_private()
    for kind, source, target in zip(mounts[::3], mounts[1::3], mounts[2::3], strict=True):
        if kind == "bind":
            mount(source, target, None, MS_BIND)
        else:
            mount(source, target, kind, 0)
    os.write(1, b"ready\n")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.execvp("sleep", ["sleep", "infinity"])  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
