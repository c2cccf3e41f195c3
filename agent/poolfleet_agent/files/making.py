"""What the worker makes, gives, resizes and removes: each operation is a function of bytes, and a line in OPERATIONS.

Whatever it is done to is looked at once more by whoever does it: names may have become another's since they were seen.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from io import FileIO

from poolfleet_agent.files.frames import Fields, numbers

_CLOCK_PREFIX = b".poolfleet-clock."
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def _folder(path: bytes, device: bytes = b"") -> Iterator[int]:
    """A folder, held open. EXDEV where it does not lie on `device` (`major:minor`; empty: any).

    Then what was mounted there is gone, and below it nothing is to be written or removed.
    """
    folder = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        found = os.fstat(folder).st_dev
        if device not in {b"", b"%d:%d" % (os.major(found), os.minor(found))}:
            raise OSError(errno.EXDEV, "another file system")
        yield folder
    finally:
        os.close(folder)


def _unlink_if(path: bytes, inode: bytes, device: bytes = b"") -> Fields:
    folder_name, name = os.path.split(path)
    with _folder(folder_name, device) as folder:
        if os.lstat(name, dir_fd=folder).st_ino != int(inode):
            return numbers(0)
        os.unlink(name, dir_fd=folder)
    return numbers(1)


def _give(path: bytes, inode: bytes, uid: bytes, gid: bytes) -> Fields:
    folder_name, name = os.path.split(path)
    with _folder(folder_name) as folder:
        if os.lstat(name, dir_fd=folder).st_ino != int(inode):
            return numbers(0)
        os.chown(name, int(uid), int(gid), dir_fd=folder, follow_symlinks=False)
    return numbers(1)


def _resize_if(path: bytes, inode: bytes, size: bytes, new_size: bytes, device: bytes = b"") -> Fields:
    """Change the length of a file only if it still is that inode, and as long as that."""
    folder_name, name = os.path.split(path)
    with _folder(folder_name, device) as folder:
        file = os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        try:
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode) or (found.st_ino, found.st_size) != (int(inode), int(size)):
                return numbers(0)
            _set_length(file, new_size)
            os.fsync(file)
        finally:
            os.close(file)
    return numbers(1)


def _make_exclusive(path: bytes, unless: bytes, content: bytes, device: bytes) -> Fields:
    """Make a file where there is neither it nor its neighbour `unless`: EEXIST.

    Made first and looked after then: on a network file system the look sees what is really there only so. So what has
    its content was made where the other was not.
    """
    folder_name, name = os.path.split(path)
    with (
        _folder(folder_name, device) as folder,
        open(os.open(name, _NEW, 0o644, dir_fd=folder), "wb", buffering=0) as file,
    ):
        try:
            if _is_there(unless, folder):
                raise OSError(errno.EEXIST, "the other is there")
            _fill(file, content)
        except OSError:
            os.unlink(name, dir_fd=folder)
            raise
        made = os.fstat(file.fileno())
        return numbers(made.st_ino, made.st_uid)


def _make_empty(path: bytes, size: bytes, mode: bytes, device: bytes) -> Fields:
    """Make a file of a length that holds nothing, where there is none: EEXIST."""
    folder_name, name = os.path.split(path)
    with _folder(folder_name, device) as folder:
        file = os.open(name, _NEW, int(mode), dir_fd=folder)
        try:
            _set_length(file, size)
        except OSError:
            os.unlink(name, dir_fd=folder)
            raise
        finally:
            os.close(file)
    return []


def _publish(path: bytes, name: bytes, size: bytes, mode: bytes) -> Fields:
    """Give a file that is complete its name beside it, where nothing has it yet: EEXIST. `size` may be empty.

    Its mode comes last: a libvirt that is nobody fails to refresh its pool, and stops it, where a file that it may not
    read is gone before it has opened that as its owner.
    """
    folder_name, made = os.path.split(path)
    with _folder(folder_name) as folder:
        file = os.open(made, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        try:
            if size:
                _set_length(file, size)
            os.fsync(file)
            inode = os.fstat(file).st_ino
            try:
                os.link(made, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
            except FileExistsError:
                # A server that was asked twice, because its first answer was lost, says so of what it did itself.
                if os.lstat(name, dir_fd=folder).st_ino != inode:
                    raise
            os.unlink(made, dir_fd=folder)
            os.fchmod(file, int(mode))
        finally:
            os.close(file)
    return numbers(inode)


def _clock(path: bytes, device: bytes = b"") -> Fields:
    """Read the clock of whoever keeps the files of a folder, by a file that is made there and removed."""
    name = _CLOCK_PREFIX + os.urandom(8).hex().encode()
    with _folder(path, device) as folder:
        file = os.open(name, _NEW, 0o644, dir_fd=folder)
        try:
            return numbers(os.fstat(file).st_mtime_ns)
        finally:
            os.close(file)
            os.unlink(name, dir_fd=folder)


def _make_whole(path: bytes, content: bytes, temporary: bytes, device: bytes = b"") -> Fields:
    """Make a file, readable to all, that is there whole or not at all, in a folder that is made for it: EEXIST.

    The name is given by link(), which a server decides, whatever this host believes to be there.
    """
    folder_name, name = os.path.split(path)
    above_name, made_for_it = os.path.split(folder_name)
    with _folder(above_name, device) as above:
        with contextlib.suppress(FileExistsError):
            os.mkdir(made_for_it, 0o755, dir_fd=above)
            os.chmod(made_for_it, 0o755, dir_fd=above)  # noqa: S103  every agent of the share reads what is in it
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        folder = os.open(made_for_it, flags, dir_fd=above)
    try:
        with open(os.open(temporary, _NEW, 0o644, dir_fd=folder), "wb", buffering=0) as file:
            try:
                _fill(file, content)
                os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
            finally:
                os.unlink(temporary, dir_fd=folder)
        os.fsync(folder)
    finally:
        os.close(folder)
    return []


def _date_anew(path: bytes, device: bytes = b"") -> Fields:
    """Give a file the present time, by the clock of whoever keeps it."""
    folder_name, name = os.path.split(path)
    with _folder(folder_name, device) as folder:
        os.utime(name, dir_fd=folder, follow_symlinks=False)
    return numbers(1)


def _set_length(file: int, size: bytes) -> None:
    """Give an open file a length. EFBIG too where it is more than any file may have."""
    try:
        os.ftruncate(file, int(size))
    except OverflowError:
        raise OSError(errno.EFBIG, "longer than any file") from None


def _fill(file: FileIO, content: bytes) -> None:
    """Write what a file holds, safely, and make it readable to all, whatever its folder makes of a new file's mode."""
    os.fchmod(file.fileno(), 0o644)
    file.write(content)
    os.fsync(file.fileno())


def _is_there(name: bytes, folder: int) -> bool:
    try:
        os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return False
    return True


OPERATIONS: dict[bytes, Callable[..., Fields]] = {
    b"clock": _clock,
    b"date_anew": _date_anew,
    b"give": _give,
    b"make_empty": _make_empty,
    b"make_exclusive": _make_exclusive,
    b"publish": _publish,
    b"resize_if": _resize_if,
    b"unlink_if": _unlink_if,
    b"make_whole": _make_whole,
}
