"""Unmounts by umount2(2); run as a program, because the call may hang for minutes, but can then be left behind.

`python -I -S umount.py ordinary TARGET` tries once. `python -I -S umount.py force TARGET` detaches the mount, and ends
the calls that hang on its server (MNT_FORCE) again and again, until its standard input is closed. After each call one
line is printed, `STEP ERRNO`.

MNT_FORCE needs the path of a mount, and ends the calls that hang on it at that instant; whoever made them may go on
to the next. libvirt does so: a refresh that fails looks for the pool among all mounts of the host, and asks the share
once at each of them. So the mount must be off its path, where the next calls find a bare folder, and yet have one for
MNT_FORCE. It has both by mount namespaces of this process's own, copied before the host's mount is detached, in which
the share is mounted still. Each serves for one call, which unmounts it there. The last one is kept to the end, so
that the share is given up here, where that may hang, and not in one of libvirt's threads.
"""

import ctypes
import os
import select
import sys

MNT_FORCE = 1
MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8

COPIES = 24
FIRST_PAUSE_S = 0.02
LONGEST_PAUSE_S = 2.0

_NEW_MOUNTS = 0x00020000
_UNSHARED_FROM_ROOT = 0x4000 | 0x40000
"""MS_REC, MS_PRIVATE: what the host unmounts stays here."""

_libc = ctypes.CDLL(None, use_errno=True)


def umount2(step: str, target: str, flags: int) -> bool:
    """Call it once, say what came of it, 0 or errno, and answer whether it was 0."""
    return _said(step, _libc.umount2(os.fsencode(target), flags | UMOUNT_NOFOLLOW))


def force(target: str) -> None:
    """Take the mount off its path, then end what hangs on it for as long as that is wanted."""
    host = _own_namespace()
    copies = _copied_namespaces()
    if not copies or not _entered(host) or not umount2("detach", target, MNT_DETACH):
        return
    pause_s = FIRST_PAUSE_S
    wanted = True
    for number, copy in enumerate(copies, start=1):
        if wanted and number == len(copies):
            wanted = _wanted_for(None)
        if _entered(copy):
            umount2("force", target, MNT_FORCE | MNT_DETACH)
        if wanted:
            wanted = _wanted_for(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


def _copied_namespaces() -> list[int]:
    """Namespaces that have all mounts of the one before, and see no change of them; none where it is refused."""
    copies = []
    for _ in range(COPIES):
        copied = _libc.unshare(_NEW_MOUNTS) == 0
        if not copied or _libc.mount(b"none", b"/", None, _UNSHARED_FROM_ROOT, None) != 0:
            _said("copy", -1)
            return []
        copies.append(_own_namespace())
    return copies


def _own_namespace() -> int:
    return os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)


def _entered(namespace: int) -> bool:
    return _libc.setns(namespace, _NEW_MOUNTS) == 0 or _said("enter", -1)


def _wanted_for(limit_s: float | None) -> bool:
    """Whether nobody has closed our input within the time; without one it is waited for."""
    return not select.select([sys.stdin], [], [], limit_s)[0]


def _said(step: str, result: int) -> bool:
    number = ctypes.get_errno() if result != 0 else 0
    print(step, number, flush=True)
    return number == 0


if __name__ == "__main__":
    how, where = sys.argv[1:]
    if how == "force":
        force(where)
    else:
        umount2("ordinary", where, 0)
