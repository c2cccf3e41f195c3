"""What the worker looks at: each operation is a function of bytes, and a line in OPERATIONS."""

import errno
import itertools
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO

from poolfleet_agent.files.frames import LONGEST_FRAME_BYTES, Fields, numbers
from poolfleet_agent.processes.holes import data_ranges

PROBE = b"probe"
"""The one that is asked to learn whether a mount answers."""

_MOST_LINKS = 40
_LONGEST_HEAD_BYTES = 1024 * 1024
_BY_UUID = "/dev/disk/by-uuid"


def _facts(of: os.stat_result) -> Fields:
    return numbers(
        of.st_mode, of.st_dev, of.st_ino, of.st_size, of.st_blocks * 512, of.st_uid, of.st_gid, of.st_mtime_ns
    )


def _stat(path: bytes) -> Fields:
    return _facts(os.stat(path))


def _lstat(path: bytes) -> Fields:
    return _facts(os.lstat(path))


def _real_path(path: bytes) -> Fields:
    try:
        return [os.path.realpath(path, strict=True)]
    except (FileNotFoundError, NotADirectoryError):
        # As far as it exists; what is wrong beside that (a loop, no access) was raised above.
        return [os.path.realpath(path)]


def _file_system(path: bytes) -> Fields:
    facts = os.statvfs(path)
    read_only = bool(facts.f_flag & os.ST_RDONLY)
    sizes = numbers(facts.f_blocks * facts.f_frsize, facts.f_bavail * facts.f_frsize, read_only)
    return [_file_system_id(os.stat(path).st_dev, facts.f_fsid).encode(), *sizes]


def _file_system_id(device: int, fsid: int) -> str:
    """Give the UUID on the block device; else the kernel's id; else the device's number, which a boot may change.

    The kernel makes its id from the file system's UUID (ext4, btrfs) or from the device's number (xfs); it has none
    for network file systems.
    """
    for uuid in _names_in(_BY_UUID):
        try:
            if os.stat(f"{_BY_UUID}/{uuid}").st_rdev == device:
                return f"uuid:{uuid}"
        except OSError:
            continue
    if fsid:
        return f"fsid:{fsid & 0xFFFFFFFFFFFFFFFF:016x}"
    return f"device:{os.major(device)}:{os.minor(device)}"


def _names_in(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _names(path: bytes) -> Fields:
    names = []
    left_bytes = LONGEST_FRAME_BYTES
    with os.scandir(path) as entries:
        for entry in entries:
            left_bytes -= len(entry.name) + 4
            if left_bytes < 1024:
                raise OSError(errno.EFBIG, "too many names")
            names.append(entry.name)
    return names


def _probe(path: bytes) -> Fields:
    facts = os.statvfs(path)
    return numbers(bool(facts.f_flag & os.ST_RDONLY), facts.f_blocks, facts.f_bavail)


def _first_name(path: bytes) -> Fields:
    with os.scandir(path) as entries:
        return [entry.name for entry, _ in zip(entries, "1", strict=False)]


def _rights(path: bytes) -> Fields:
    """Ask what this process may do there: access(2), which NFS hands to the server, squashing and all."""
    os.stat(path)
    return numbers(*(os.access(path, wanted) for wanted in (os.R_OK, os.W_OK, os.X_OK)))


def leads_to(path: bytes, *borders: bytes) -> Fields:
    """Follow symbolic links until the path enters one of the folders `borders`, which is not touched but given."""
    left = path.split(b"/")[::-1]
    at = b""
    links = 0
    while left:
        name = left.pop()
        if name in {b"", b"."}:
            continue
        if name == b"..":
            at = at.rpartition(b"/")[0]
            continue
        step = at + b"/" + name
        if step in borders:
            return [step]
        try:
            link = os.readlink(step)
        except OSError as error:
            if error.errno != errno.EINVAL:
                return [b"/".join((step, *reversed(left)))]
            at = step
            continue
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, "too many links")
        at = b"" if link.startswith(b"/") else at
        left.extend(reversed(link.split(b"/")))
    return [at or b"/"]


def _open_first(path: bytes) -> Fields:
    """Open a regular file of a directory for reading, if it has one: a server in its grace period lets that wait."""
    with os.scandir(path) as entries:
        name = next((entry.name for entry in entries if entry.is_file(follow_symlinks=False)), None)
    if name is not None:
        os.close(os.open(os.path.join(path, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC))
    return []


@contextmanager
def _regular_file(path: bytes) -> Iterator[FileIO]:
    # Opened for nothing but its name first: to open a pipe or a device for reading may block, or do something.
    found = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(found).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        with open(f"/proc/self/fd/{found}", "rb", buffering=0) as file:
            yield file
    finally:
        os.close(found)


def _head(path: bytes, length: bytes) -> Fields:
    with _regular_file(path) as file:
        return [file.read(min(int(length), _LONGEST_HEAD_BYTES))]


def _data_bytes(path: bytes, most_pieces: bytes) -> Fields:
    """Add up what a file holds beside its holes; empty: that is in more pieces than so many."""
    with _regular_file(path) as file:
        pieces = data_ranges(file.fileno(), os.fstat(file.fileno()).st_size)
        found = sum(end - begin for begin, end in itertools.islice(pieces, int(most_pieces)))
        return numbers(found) if next(pieces, None) is None else []


def _lowest_inodes(path: bytes, count: bytes, most_names: bytes, omitted: bytes) -> Fields:
    """Give name and inode of the files that have the lowest inodes, the lowest first; hidden ones of `omitted` not.

    EFBIG: more names than `most_names`. Directories and all else that is no file do not count.
    """
    prefixes = tuple(omitted.split(b"/"))
    with os.scandir(path) as entries:
        found = [(entry.inode(), entry.name, entry) for entry in itertools.islice(entries, int(most_names))]
        if next(entries, None) is not None:
            raise OSError(errno.EFBIG, "too many names")
    fields: list[bytes] = []
    # A directory of a server may not tell what its entries are: only as many are asked about as are needed.
    for inode, name, entry in sorted(found, key=lambda one: one[:2]):
        if len(fields) >= 2 * int(count):
            break
        if not name.startswith(prefixes) and entry.is_file(follow_symlinks=False):
            fields += [name, b"%d" % inode]
    return fields


OPERATIONS: dict[bytes, Callable[..., Fields]] = {
    b"stat": _stat,
    b"lstat": _lstat,
    b"real_path": _real_path,
    b"file_system": _file_system,
    b"names": _names,
    b"rights": _rights,
    b"head": _head,
    b"data_bytes": _data_bytes,
    PROBE: _probe,
    b"first_name": _first_name,
    b"leads_to": leads_to,
    b"open_first": _open_first,
    b"lowest_inodes": _lowest_inodes,
}
