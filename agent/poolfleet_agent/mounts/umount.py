"""Unmounts by umount2(2); run as a program, because the call may hang for minutes, but can then be left behind.

`python -I -S umount.py ordinary TARGET` tries once. `force` ends the calls that hang on the server (MNT_FORCE) again
and again, a second apart, because those that come after them hang anew, and detaches only then: once detached, what
still hangs can no more be helped. After each call one line is printed, `STEP ERRNO`.
"""

import ctypes
import os
import sys
import time

MNT_FORCE = 1
MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8

FORCED_FOR_S = 8.0
"""Most mounts are free after two tries; on a busy host libvirt comes to its next call on the share seconds later."""
PAUSE_S = 1.0

# Nothing is mounted there any more.
_GONE = {0, 22}

_libc = ctypes.CDLL(None, use_errno=True)


def umount2(step: str, target: str, flags: int) -> int:
    """Call it once, and say what came of it: 0 or errno."""
    ctypes.set_errno(0)
    failed = _libc.umount2(os.fsencode(target), flags | UMOUNT_NOFOLLOW) != 0
    number = ctypes.get_errno() if failed else 0
    print(step, number, flush=True)
    return number


def force(target: str) -> None:
    """End what hangs, then detach."""
    ends_s = time.monotonic() + FORCED_FOR_S
    while time.monotonic() < ends_s:
        if umount2("force", target, MNT_FORCE) in _GONE:
            return
        time.sleep(PAUSE_S)
    umount2("detach", target, MNT_DETACH)


if __name__ == "__main__":
    how, where = sys.argv[1:]
    if how == "force":
        force(where)
    else:
        umount2("ordinary", where, 0)
