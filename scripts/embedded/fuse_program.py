"""A FUSE passthrough: shows one folder on another under a source's name; run as a program, as root.

`python -I -S fuse_program.py SOURCE FOLDER TARGET HOLD [squash]` mounts, prints one line and serves until it is killed.
While there is a file HOLD, all is answered but opens, or, where it says `stale`, all is stale. Nothing is cached, so
that whoever touches the mount waits while this is stopped (SIGSTOP), as on a silent server. It speaks the kernel's
protocol itself (linux/fuse.h, version 7.31), one request at a time. With `squash` root is nobody on the share, as on an
NFS server's export with root_squash.
"""

from __future__ import annotations

import ctypes
import errno
import itertools
import os
import select
import stat
import struct
import sys
from collections.abc import Callable

MOST_WRITE_BYTES = 128 << 10
_IN = struct.Struct("<IIQQIIIHH")
_OUT = struct.Struct("<IiQ")
_ATTRIBUTES = struct.Struct("<6Q10I")
_SETATTR = struct.Struct("<II6Q8I")
_MODE, _UID, _GID, _SIZE, _MTIME = 1, 2, 4, 8, 32
_ROOT = 1
_NOBODY = 65534


class Passthrough:
    """Answers requests; a node is a path, and keeps its number."""

    options = "allow_other,default_permissions"
    file_system_type = b"fuse"

    def __init__(self, folder: bytes) -> None:
        self._paths = {_ROOT: folder}
        self._ids = {folder: _ROOT}
        self._free = itertools.count(_ROOT + 1)
        self._listings: dict[int, list[bytes]] = {}
        self._free_listings = itertools.count()
        self._other_names: dict[int, bytes] = {}
        """By which name else a node is to be had, since it was linked."""
        self._open_as: dict[int, int] = {}
        """The node of each descriptor: a file that was unlinked is there as long as it is open."""
        self.handlers: dict[int, Callable[[int, bytes], bytes | None]] = {
            1: self._lookup, 2: self._forget, 3: self._getattr, 4: self._setattr, 5: self._readlink, 6: self._symlink,
            8: self._mknod, 9: self._mkdir, 10: self._unlink, 11: self._rmdir, 12: self._rename, 13: self._link,
            14: self._open, 15: self._read, 16: self._write, 17: self._statfs, 18: self._release, 20: self._fsync,
            26: self._init, 27: self._opendir, 28: self._readdir, 29: self._releasedir, 30: self._done,
            35: self._create, 36: self._forget, 38: self._done, 42: self._forget, 43: self._fallocate,
        }  # fmt: skip

    def answer(self, operation: int, node: int, body: bytes, *, uid: int, gid: int) -> bytes | None:
        """Answer one request of that user, whom the kernel has checked; KeyError: not implemented."""
        return self.handlers[operation](node, body)

    def _child(self, node: int, name: bytes) -> bytes:
        return self._paths[node] + b"/" + name.rstrip(b"\0")

    def _entry(self, path: bytes) -> bytes:
        facts = os.lstat(path)
        node = self._ids.get(path) or self._ids.setdefault(path, next(self._free))
        self._paths[node] = path
        return struct.pack("<QQQQII", node, 0, 0, 0, 0, 0) + _attributes(facts)

    def _attributes_of(self, node: int) -> bytes:
        try:
            facts = os.lstat(self._paths[node])
        except FileNotFoundError:
            descriptor = next((one for one, opened in self._open_as.items() if opened == node), None)
            if descriptor is None:
                raise
            facts = os.fstat(descriptor)
        return struct.pack("<QII", 0, 0, 0) + _attributes(facts)

    def _init(self, _node: int, body: bytes) -> bytes:
        readahead = struct.unpack_from("<III", body)[2]
        return struct.pack("<IIIIHHIIHHI7I", 7, 31, readahead, 0, 16, 12, MOST_WRITE_BYTES, 1, 0, 0, 0, *[0] * 7)

    def _lookup(self, node: int, body: bytes) -> bytes:
        return self._entry(self._child(node, body))

    def _forget(self, _node: int, _body: bytes) -> None:
        return None

    def _done(self, _node: int, _body: bytes) -> bytes:
        return b""

    def _getattr(self, node: int, _body: bytes) -> bytes:
        return self._attributes_of(node)

    def _setattr(self, node: int, body: bytes) -> bytes:
        path = self._paths[node]
        valid, _, _, size, _, _, mtime, _, _, mtime_ns, _, mode, _, uid, gid, _ = struct.unpack(
            "<IIQQQQQQIIIIIIII", body
        )
        if valid & _MODE:
            os.chmod(path, stat.S_IMODE(mode))
        if valid & (_UID | _GID):
            os.chown(path, uid if valid & _UID else -1, gid if valid & _GID else -1, follow_symlinks=False)
        if valid & _SIZE:
            os.truncate(path, size)
        if valid & _MTIME:
            when = mtime * 1_000_000_000 + mtime_ns
            os.utime(path, ns=(when, when), follow_symlinks=False)
        return self._attributes_of(node)

    def _readlink(self, node: int, _body: bytes) -> bytes:
        return os.readlink(self._paths[node])

    def _symlink(self, node: int, body: bytes) -> bytes:
        name, target = body.rstrip(b"\0").split(b"\0")
        os.symlink(target, self._child(node, name))
        return self._entry(self._child(node, name))

    def _mknod(self, node: int, body: bytes) -> bytes:
        mode, device = struct.unpack_from("<II", body)
        path = self._child(node, body[16:])
        os.mknod(path, mode, device)
        return self._entry(path)

    def _mkdir(self, node: int, body: bytes) -> bytes:
        path = self._child(node, body[8:])
        os.mkdir(path, struct.unpack_from("<I", body)[0])
        return self._entry(path)

    def _unlink(self, node: int, body: bytes) -> bytes:
        path = self._child(node, body)
        os.unlink(path)
        gone = self._ids.pop(path, None)
        if gone is not None and gone in self._other_names:
            self._paths[gone] = self._other_names.pop(gone)
        return b""

    def _rmdir(self, node: int, body: bytes) -> bytes:
        path = self._child(node, body)
        os.rmdir(path)
        self._ids.pop(path, None)
        return b""

    def _rename(self, node: int, body: bytes) -> bytes:
        (folder,) = struct.unpack_from("<Q", body)
        old, new = body[8:].rstrip(b"\0").split(b"\0")
        os.rename(self._child(node, old), self._child(folder, new))
        if (moved := self._ids.pop(self._child(node, old), None)) is not None:
            self._paths[moved] = self._child(folder, new)
            self._ids[self._child(folder, new)] = moved
        return b""

    def _link(self, node: int, body: bytes) -> bytes:
        (old,) = struct.unpack_from("<Q", body)
        path = self._child(node, body[8:])
        os.link(self._paths[old], path)
        self._other_names[old] = path
        return self._entry(path)

    def _open(self, node: int, body: bytes) -> bytes:
        (flags,) = struct.unpack_from("<I", body)
        descriptor = os.open(self._paths[node], flags & ~(os.O_CREAT | os.O_EXCL | os.O_NOCTTY | os.O_DIRECT))
        self._open_as[descriptor] = node
        return struct.pack("<QII", descriptor, 0, 0)

    def _create(self, node: int, body: bytes) -> bytes:
        flags, mode = struct.unpack_from("<II", body)
        path = self._child(node, body[16:])
        descriptor = os.open(path, (flags | os.O_CREAT) & ~os.O_DIRECT, stat.S_IMODE(mode))
        entry = self._entry(path)
        self._open_as[descriptor] = self._ids[path]
        return entry + struct.pack("<QII", descriptor, 0, 0)

    def _read(self, _node: int, body: bytes) -> bytes:
        descriptor, offset, size = struct.unpack_from("<QQI", body)
        return os.pread(descriptor, size, offset)

    def _write(self, _node: int, body: bytes) -> bytes:
        descriptor, offset, size = struct.unpack_from("<QQI", body)
        return struct.pack("<II", os.pwrite(descriptor, body[40 : 40 + size], offset), 0)

    def _fallocate(self, _node: int, body: bytes) -> bytes:
        descriptor, offset, length, mode = struct.unpack_from("<QQQI", body)
        if mode:
            raise OSError(errno.EOPNOTSUPP, "only plain allocation")
        os.posix_fallocate(descriptor, offset, length)
        return b""

    def _fsync(self, _node: int, body: bytes) -> bytes:
        os.fsync(struct.unpack_from("<Q", body)[0])
        return b""

    def _release(self, _node: int, body: bytes) -> bytes:
        (descriptor,) = struct.unpack_from("<Q", body)
        del self._open_as[descriptor]
        os.close(descriptor)
        return b""

    def _statfs(self, node: int, _body: bytes) -> bytes:
        facts = os.statvfs(self._paths[node])
        numbers = facts.f_blocks, facts.f_bfree, facts.f_bavail, facts.f_files, facts.f_ffree
        return struct.pack("<5Q4I6I", *numbers, facts.f_bsize, facts.f_namemax, facts.f_frsize, 0, *[0] * 6)

    def _opendir(self, node: int, _body: bytes) -> bytes:
        # As it is now, so that no name is told twice while others come and go.
        listing = next(self._free_listings)
        self._listings[listing] = [b".", b"..", *sorted(os.listdir(self._paths[node]))]
        return struct.pack("<QII", listing, 0, 0)

    def _releasedir(self, _node: int, body: bytes) -> bytes:
        del self._listings[struct.unpack_from("<Q", body)[0]]
        return b""

    def _readdir(self, _node: int, body: bytes) -> bytes:
        listing, offset, size = struct.unpack_from("<QQI", body)
        found = b""
        for position, name in enumerate(self._listings[listing][offset:], offset + 1):
            record = struct.pack("<QQII", position, position, len(name), 0) + name
            record += b"\0" * (-len(record) % 8)
            if len(found) + len(record) > size:
                break
            found += record
        return found


class Squashing(Passthrough):
    """Does everything as who asks, for whom root is nobody: the file system below decides what each may."""

    options = "allow_other"
    # libvirt then knows it for a network file system, and opens and removes files as their owners where root may not.
    file_system_type = b"fuse.glusterfs"

    def __init__(self, folder: bytes) -> None:
        super().__init__(folder)
        self.handlers[34] = self._access
        self._libc = ctypes.CDLL(None)
        os.setgroups([])

    def answer(self, operation: int, node: int, body: bytes, *, uid: int, gid: int) -> bytes | None:
        """Answer one request as that user."""
        self._libc.setfsgid(gid or _NOBODY)
        self._libc.setfsuid(uid or _NOBODY)
        try:
            return super().answer(operation, node, body, uid=uid, gid=gid)
        finally:
            self._libc.setfsuid(0)
            self._libc.setfsgid(0)

    def _access(self, node: int, body: bytes) -> bytes:
        (mask,) = struct.unpack_from("<I", body)
        if not os.access(self._paths[node], mask, effective_ids=True):
            raise OSError(errno.EACCES, "not allowed")
        return b""


def _attributes(facts: os.stat_result) -> bytes:
    seconds = [int(time) for time in (facts.st_atime, facts.st_mtime, facts.st_ctime)]
    rests = [time % 1_000_000_000 for time in (facts.st_atime_ns, facts.st_mtime_ns, facts.st_ctime_ns)]
    owner = facts.st_mode, facts.st_nlink, facts.st_uid, facts.st_gid, facts.st_rdev, 4096, 0
    return _ATTRIBUTES.pack(facts.st_ino, facts.st_size, facts.st_blocks, *seconds, *rests, *owner)


_OPENS = {14, 35}
_UNANSWERED = {2, 36, 42}
_HELD_LOOK_MS = 100


def serve(device: int, share: Passthrough, hold: str) -> None:
    """Answer until the mount is gone. While the file `hold` is there, opens wait, as in a server's grace period; where
    it says so, all is stale, as after an export was replaced.
    """
    held: list[bytes] = []
    waiting = select.poll()
    waiting.register(device, select.POLLIN)
    while True:
        if held and not os.path.exists(hold):
            for request in held:
                answer_to(device, share, request)
            held = []
        if held and not waiting.poll(_HELD_LOOK_MS):
            continue
        try:
            request = os.read(device, MOST_WRITE_BYTES + (1 << 16))
        except OSError as error:
            if error.errno == errno.ENODEV:
                return
            if error.errno in {errno.EINTR, errno.ENOENT}:
                continue
            raise
        operation = _IN.unpack_from(request)[1]
        told = _told(hold)
        if told == "stale" and operation not in _UNANSWERED:
            answer_with(device, request, b"", errno.ESTALE)
        elif told is not None and operation in _OPENS:
            held.append(request)
        else:
            answer_to(device, share, request)


def _told(hold: str) -> str | None:
    """What the file says; None: it is not there."""
    try:
        with open(hold) as file:
            return file.read()
    except FileNotFoundError:
        return None


def answer_to(device: int, share: Passthrough, request: bytes) -> None:
    """Do what is asked, and say how it went."""
    _, operation, _, node, uid, gid, *_ = _IN.unpack_from(request)
    try:
        answer = share.answer(operation, node, request[_IN.size :], uid=uid, gid=gid)
        code = 0
    except KeyError:
        answer, code = b"", errno.ENOSYS
    except OSError as error:
        answer, code = b"", error.errno or errno.EIO
    if answer is not None:
        answer_with(device, request, answer, code)


def answer_with(device: int, request: bytes, answer: bytes, code: int) -> None:
    """Give an answer, or an errno."""
    unique = _IN.unpack_from(request)[2]
    try:
        os.write(device, _OUT.pack(_OUT.size + len(answer), -code, unique) + answer)
    except OSError as error:
        if error.errno != errno.ENOENT:  # whoever asked was killed
            raise


def main(source: str, folder: str, target: str, hold: str, kind: str = "") -> None:
    """Mount, say so, and serve."""
    share = (Squashing if kind == "squash" else Passthrough)(os.fsencode(folder))
    os.umask(0)
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={device},rootmode=40755,user_id=0,group_id=0,{share.options}"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(source.encode(), target.encode(), share.file_system_type, ctypes.c_ulong(0), options.encode()) != 0:
        raise OSError(ctypes.get_errno(), f"mount {target}")
    os.write(1, b"ready\n")
    serve(device, share, hold)


if __name__ == "__main__":
    main(*sys.argv[1:])
