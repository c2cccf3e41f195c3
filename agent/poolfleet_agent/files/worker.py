"""The program that touches files for the agent: `python -I -S worker.py [UID GID]`, the standard library only.

It reads requests from standard input and writes answers to standard output, each a frame: the length of its body (four
bytes, big end first), then the body: fields, each with its length before it. Names are bytes, numbers decimal.
A request is (id, name of the operation, arguments…), an answer (id, errno or 0, what it found…). Answers come in any
order: several threads work, so that one slow directory does not hold up the others, and a probe has one of its own. No
descriptor is held between requests, or the share could not be unmounted. The end of its input is its own end, whatever
its threads hang on.

With a UID and a GID it becomes that user, in no other group, before it reads its first request. It is started as root
all the same, so that the user needs no right on the folders that Python and the agent are installed in.

Room is left for read and write: an operation is a function and a line in OPERATIONS.

Longer than usual because a program that Python starts by its path, and in isolation, finds nothing beside itself.
"""

import contextlib
import errno
import itertools
import os
import queue
import stat
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

THREADS = 4
LONGEST_FRAME_BYTES = 32 * 1024 * 1024
PING = b"ping"
PROBE = b"probe"

_MOST_LINKS = 40

_STACK_BYTES = 256 * 1024
_LONGEST_HEAD_BYTES = 1024 * 1024
_BY_UUID = "/dev/disk/by-uuid"
_CLOCK_PREFIX = b".poolfleet-clock."

_Fields = Sequence[bytes]


def pack(*fields: bytes) -> bytes:
    """Give the frame of some fields."""
    body = b"".join(part for field in fields for part in (len(field).to_bytes(4, "big"), field))
    return len(body).to_bytes(4, "big") + body


def unpack(body: bytes) -> list[bytes]:
    """Give the fields of a frame's body."""
    fields = []
    position = 0
    while position < len(body):
        begin = position + 4
        position = begin + int.from_bytes(body[position:begin], "big")
        fields.append(body[begin:position])
    return fields


def _numbers(*numbers: int) -> list[bytes]:
    return [b"%d" % number for number in numbers]


def _facts(of: os.stat_result) -> _Fields:
    return _numbers(
        of.st_mode, of.st_dev, of.st_ino, of.st_size, of.st_blocks * 512, of.st_uid, of.st_gid, of.st_mtime_ns
    )


def _stat(path: bytes) -> _Fields:
    return _facts(os.stat(path))


def _lstat(path: bytes) -> _Fields:
    return _facts(os.lstat(path))


def _real_path(path: bytes) -> _Fields:
    try:
        return [os.path.realpath(path, strict=True)]
    except (FileNotFoundError, NotADirectoryError):
        # As far as it exists; what is wrong beside that (a loop, no access) was raised above.
        return [os.path.realpath(path)]


def _file_system(path: bytes) -> _Fields:
    facts = os.statvfs(path)
    read_only = bool(facts.f_flag & os.ST_RDONLY)
    sizes = _numbers(facts.f_blocks * facts.f_frsize, facts.f_bavail * facts.f_frsize, read_only)
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


def _names(path: bytes) -> _Fields:
    names = []
    left_bytes = LONGEST_FRAME_BYTES
    with os.scandir(path) as entries:
        for entry in entries:
            left_bytes -= len(entry.name) + 4
            if left_bytes < 1024:
                raise OSError(errno.EFBIG, "too many names")
            names.append(entry.name)
    return names


def _probe(path: bytes) -> _Fields:
    facts = os.statvfs(path)
    return _numbers(bool(facts.f_flag & os.ST_RDONLY), facts.f_blocks, facts.f_bavail)


def _first_name(path: bytes) -> _Fields:
    with os.scandir(path) as entries:
        return [entry.name for entry, _ in zip(entries, "1", strict=False)]


def _rights(path: bytes) -> _Fields:
    """Ask what this process may do there: access(2), which NFS hands to the server, squashing and all."""
    os.stat(path)
    return _numbers(*(os.access(path, wanted) for wanted in (os.R_OK, os.W_OK, os.X_OK)))


def _leads_to(path: bytes, *borders: bytes) -> _Fields:
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


def _head(path: bytes, length: bytes) -> _Fields:
    # Opened for nothing but its name first: to open a pipe or a device for reading may block, or do something.
    found = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(found).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        with open(f"/proc/self/fd/{found}", "rb", buffering=0) as file:
            return [file.read(min(int(length), _LONGEST_HEAD_BYTES))]
    finally:
        os.close(found)


def _unlink_if(path: bytes, inode: bytes) -> _Fields:
    folder_name, name = os.path.split(path)
    folder = os.open(folder_name, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if os.lstat(name, dir_fd=folder).st_ino != int(inode):
            return _numbers(0)
        os.unlink(name, dir_fd=folder)
    finally:
        os.close(folder)
    return _numbers(1)


def _give(path: bytes, inode: bytes, uid: bytes, gid: bytes) -> _Fields:
    folder_name, name = os.path.split(path)
    folder = os.open(folder_name, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if os.lstat(name, dir_fd=folder).st_ino != int(inode):
            return _numbers(0)
        os.chown(name, int(uid), int(gid), dir_fd=folder, follow_symlinks=False)
    finally:
        os.close(folder)
    return _numbers(1)


def _make_exclusive(path: bytes, unless: bytes, content: bytes) -> _Fields:
    """Make a file where there is neither it nor its neighbour `unless`: EEXIST.

    Made first and looked after then: on a network file system the look sees what is really there only so. So what has
    its content was made where the other was not.
    """
    folder_name, name = os.path.split(path)
    folder = os.open(folder_name, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(name, flags, 0o644, dir_fd=folder), "wb", buffering=0) as file:
            try:
                if _is_there(unless, folder):
                    raise OSError(errno.EEXIST, "the other is there")
                file.write(content)
                os.fsync(file.fileno())
            except OSError:
                os.unlink(name, dir_fd=folder)
                raise
            made = os.fstat(file.fileno())
            return _numbers(made.st_ino, made.st_uid)
    finally:
        os.close(folder)


def _publish(path: bytes, name: bytes, size: bytes, mode: bytes) -> _Fields:
    """Give a file that is complete its name beside it, where nothing has it yet: EEXIST. `size` may be empty.

    Its mode comes last: a libvirt that is nobody fails to refresh its pool, and stops it, where a file that it may not
    read is gone before it has opened that as its owner.
    """
    folder_name, made = os.path.split(path)
    folder = os.open(folder_name, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        file = os.open(made, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        try:
            if size:
                os.ftruncate(file, int(size))
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
    finally:
        os.close(folder)
    return _numbers(inode)


def _clock(path: bytes) -> _Fields:
    """Read the clock of whoever keeps the files of a folder, by a file that is made there and removed."""
    folder = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    name = _CLOCK_PREFIX + os.urandom(8).hex().encode()
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(name, flags, 0o600, dir_fd=folder)
        try:
            return _numbers(os.fstat(file).st_mtime_ns)
        finally:
            os.close(file)
            os.unlink(name, dir_fd=folder)
    finally:
        os.close(folder)


def _lowest_inodes(path: bytes, count: bytes, most_names: bytes, omitted: bytes) -> _Fields:
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


def _make_whole(path: bytes, content: bytes, temporary: bytes) -> _Fields:
    """Make a file, readable to all, that is there whole or not at all, in a folder that is made for it: EEXIST.

    The name is given by link(), which a server decides, whatever this host believes to be there.
    """
    folder_name, name = os.path.split(path)
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder_name, 0o755)
        os.chmod(folder_name, 0o755)  # noqa: S103  every agent of the share reads what is in it
    folder = os.open(folder_name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(temporary, flags, 0o644, dir_fd=folder), "wb", buffering=0) as file:
            try:
                os.fchmod(file.fileno(), 0o644)
                file.write(content)
                os.fsync(file.fileno())
                os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
            finally:
                os.unlink(temporary, dir_fd=folder)
        os.fsync(folder)
    finally:
        os.close(folder)
    return []


def _is_there(name: bytes, folder: int) -> bool:
    try:
        os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return False
    return True


OPERATIONS: dict[bytes, Callable[..., _Fields]] = {
    b"stat": _stat,
    b"lstat": _lstat,
    b"real_path": _real_path,
    b"file_system": _file_system,
    b"names": _names,
    b"rights": _rights,
    b"head": _head,
    PROBE: _probe,
    b"first_name": _first_name,
    b"leads_to": _leads_to,
    b"clock": _clock,
    b"give": _give,
    b"make_exclusive": _make_exclusive,
    b"publish": _publish,
    b"unlink_if": _unlink_if,
    b"lowest_inodes": _lowest_inodes,
    b"make_whole": _make_whole,
}


class _Answers:
    """Standard output, one whole frame at a time."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def write(self, *fields: bytes) -> None:
        with self._lock:
            self._stream.write(pack(*fields))
            self._stream.flush()


def _requests(stream: BinaryIO) -> Iterator[list[bytes]]:
    while len(head := stream.read(4)) == 4:
        yield unpack(stream.read(int.from_bytes(head, "big")))


def _work(requests: "queue.SimpleQueue[list[bytes]]", answers: _Answers) -> None:
    while True:
        request_id, name, *arguments = requests.get()
        try:
            found = OPERATIONS[name](*arguments)
        except OSError as error:
            answers.write(request_id, *_numbers(error.errno or errno.EIO))
        except ValueError:
            answers.write(request_id, *_numbers(errno.EINVAL))
        else:
            answers.write(request_id, b"0", *found)


def _end_with_trace(failure: threading.ExceptHookArgs) -> None:
    # A worker with a thread less would be slower for ever: its owner starts another.
    traceback.print_exception(failure.exc_value)
    os._exit(70)


def _become(uid: int, gid: int) -> None:
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def main(arguments: Sequence[str] = ()) -> None:
    """Serve until the end of standard input; `arguments`: uid and gid, or none."""
    if arguments:
        uid, gid = map(int, arguments)
        _become(uid, gid)
    threading.excepthook = _end_with_trace
    threading.stack_size(_STACK_BYTES)
    requests: queue.SimpleQueue[list[bytes]] = queue.SimpleQueue()
    probes: queue.SimpleQueue[list[bytes]] = queue.SimpleQueue()
    answers = _Answers(sys.stdout.buffer)
    for taken in (probes, *[requests] * THREADS):
        threading.Thread(target=_work, args=(taken, answers), daemon=True).start()
    for request in _requests(sys.stdin.buffer):
        if request[1] == PING:
            answers.write(request[0], b"0")
        else:
            (probes if request[1] == PROBE else requests).put(request)
    # A thread that hangs must not keep the process.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
