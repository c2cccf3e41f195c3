"""Looks at the root of an NFS server of version 4, which shows the ways to its exports; run as a program.

`python -I -S server_root.py FOLDER MOUNT…` makes a mount namespace of its own, runs the command MOUNT in it, which
mounts the root on FOLDER, and prints the folders that can be mounted, each with NUL behind it. Nobody else sees the
mount, and it goes with the process, however that ends: nothing has to be undone. It ends with 3 where it may not have
a namespace, with mount's own status and words where that fails.

No call says which folders are exports, and which only lead to one. The latter hold nothing but folders. With the
kernel's server each of them, and each export, is a file system of its own to its clients: what is none is a plain
folder in an export. Where what lies below the root is none, as with other servers, an export is where another file
system begins, or where there is more to be seen than folders.
"""

import contextlib
import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence

NOT_PERMITTED = 3
MOST_FOLDERS = 500
DEEPEST = 8
NO_WAYS = frozenset({"lost+found", ".snapshot", ".zfs", ".poolfleet"})
"""Folders that only a real file system shows."""

_NEW_MOUNTS = 0x00020000
_FOLLOWING_FROM_ROOT = 0x4000 | 0x80000
"""MS_REC, MS_SLAVE: what the host unmounts goes here too, and is not kept busy; nothing of here is seen there."""

_libc = ctypes.CDLL(None, use_errno=True)


def mountable(root: str) -> Iterator[str]:
    """Paths of the server, with a slash before them; `root` is where its root is mounted. The root itself is `/`."""
    waiting = [("", 0)]
    looked_at = 0
    every_way_is_one = True
    while waiting:
        path, depth = waiting.pop()
        looked_at += 1
        folders = _folders(f"{root}{path}") if depth < DEEPEST and looked_at <= MOST_FOLDERS else []
        if not folders:
            yield path or "/"
            continue
        device = _device(f"{root}{path}")
        below = [f"{path}/{name}" for name in folders]
        others = [one for one in below if _device(f"{root}{one}") != device]
        plain = [one for one in below if one not in others]
        if not path:
            every_way_is_one = not plain
        if every_way_is_one:
            if plain:
                yield path
            waiting.extend((one, depth + 1) for one in reversed(others))
        else:
            yield from others
            waiting.extend((one, depth + 1) for one in reversed(plain))


def _folders(path: str) -> list[str]:
    """The names of the folders in a folder; none where there is more in it, or it cannot be listed."""
    found: list[str] = []
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                is_way = entry.is_dir(follow_symlinks=False) and entry.name not in NO_WAYS
                if not is_way or len(found) >= MOST_FOLDERS:
                    return []
                found.append(entry.name)
    except OSError:
        return []
    return sorted(found)


def _device(path: str) -> int | None:
    """The device of a folder, which is mounted where it is opened, be it in vain; None: it cannot be told."""
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    try:
        return os.stat(path).st_dev
    except OSError:
        return None


def main(folder: str, mount: Sequence[str]) -> int:
    """Mount, look, print."""
    if _libc.unshare(_NEW_MOUNTS) != 0 or _libc.mount(b"none", b"/", None, _FOLLOWING_FROM_ROOT, None) != 0:
        print(os.strerror(ctypes.get_errno()), file=sys.stderr)
        return NOT_PERMITTED
    mounted = subprocess.run(mount, check=False)
    if mounted.returncode != 0:
        return mounted.returncode
    for path in mountable(folder):
        sys.stdout.buffer.write(os.fsencode(path) + b"\0")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
