"""Looks at the root of an NFS server of version 4, which shows the ways to its exports; run as a program.

`python -I -S server_root.py FOLDER MOUNT…` makes a mount namespace of its own, runs the command MOUNT in it, which
mounts the root on FOLDER, and prints the folders that can be mounted, each with NUL behind it. Nobody else sees the
mount, and it goes with the process, however that ends: nothing has to be undone. It ends with 3 where it may not have
a namespace, with mount's own status and words where that fails.

No call says which of its folders are exports. Those that only lead to one show nothing but folders, and are passed
over; where another file system begins below them, or there is more to be seen, something is exported. So an export that
holds nothing but folders, and lies on the server's own disk, is shown by them.
"""

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
_PRIVATE_FROM_ROOT = 0x4000 | 0x40000

_libc = ctypes.CDLL(None, use_errno=True)


def mountable(root: str) -> Iterator[str]:
    """Paths of the server, with a slash before them; `root` is where its root is mounted. The root itself is `/`."""
    waiting: list[tuple[str, int | None, int]] = [("", None, 0)]
    looked_at = 0
    while waiting:
        path, device_above, depth = waiting.pop()
        looked_at += 1
        device, folders = _look(f"{root}{path}")
        # The root is a file system by itself, whatever lies below it.
        begins_another = depth > 1 and device != device_above
        if not folders or begins_another or depth >= DEEPEST or looked_at > MOST_FOLDERS:
            yield path or "/"
        else:
            waiting.extend((f"{path}/{name}", device, depth + 1) for name in sorted(folders, reverse=True))


def _look(path: str) -> tuple[int | None, list[str]]:
    """The device of a folder, which to open it mounts, and the folders in it; none where it shows more than those."""
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None, []
    try:
        device = os.fstat(folder).st_dev
        found: list[str] = []
        with os.scandir(folder) as entries:
            for entry in entries:
                is_way = entry.is_dir(follow_symlinks=False) and entry.name not in NO_WAYS
                if not is_way or len(found) >= MOST_FOLDERS:
                    return device, []
                found.append(entry.name)
    except OSError:
        return None, []
    else:
        return device, found
    finally:
        os.close(folder)


def main(folder: str, mount: Sequence[str]) -> int:
    """Mount, look, print."""
    if _libc.unshare(_NEW_MOUNTS) != 0 or _libc.mount(b"none", b"/", None, _PRIVATE_FROM_ROOT, None) != 0:
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
