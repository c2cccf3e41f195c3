"""What the worker reads of a pool's folder: its entries, page by page, and what their files are.

A stamp is all that stat tells of a file and that changes with it: who has seen a file need not open it again while its
stamp is the same. What changes within the grain of the file system's clock keeps its stamp: so a file that was changed
only just now has an empty one, and is read again the next time.
"""

import errno
import os
import stat
import struct
import time
from collections.abc import Callable

from poolfleet_agent.files.frames import Fields, numbers
from poolfleet_agent.files.looking import leads_to
from poolfleet_agent.model.content_id import content_id
from poolfleet_agent.model.image_facts import HEAD_BYTES, ImageFacts, read_image

STAMP = struct.Struct(">IIIQQQQqq")
"""Mode, owner, group, device, inode, length, 512-byte blocks, times of the last writing and the last change in ns."""

FIELDS_PER_FILE = 13
GONE: Fields = [b""] * FIELDS_PER_FILE
_LATEST_NS = 2**63 - 1
SETTLES_IN_NS = 2_000_000_000
_DENIED = (errno.EACCES, errno.EPERM)
_NOTHING = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO, errno.ESTALE, *_DENIED)
"""What one name says without a word about its folder: it is gone, leads nowhere, or may not be looked at."""

_UNREADABLE = (errno.EAGAIN, errno.EIO, *_DENIED)
"""Why one file may not be read that is there: somebody has a lease on it, or its disk is damaged."""

_VOLUMES = (stat.S_IFREG, stat.S_IFDIR, stat.S_IFBLK)
_LABEL = "security.selinux"


def _stamp(of: os.stat_result) -> bytes:
    # A file system may date a file later than 64 bits of nanoseconds reach: to the year 2262.
    times_ns = (max(-_LATEST_NS, min(time_ns, _LATEST_NS)) for time_ns in (of.st_mtime_ns, of.st_ctime_ns))
    return STAMP.pack(of.st_mode, of.st_uid, of.st_gid, of.st_dev, of.st_ino, of.st_size, of.st_blocks, *times_ns)


def _entries(path: bytes, after: bytes, most: bytes, *borders: bytes) -> Fields:
    """Give name and stamp of the entries that come after a name, in the order of their bytes; links are followed.

    Only files, directories and block devices. What is one of the folders `borders`, or leads into one, is not touched:
    its stamp is empty. The last field is the name to go on after; empty: that was all.
    """
    names = sorted(name for name in os.listdir(path) if name > after)
    page = names[: int(most)]
    fields: list[bytes] = []
    prefix = os.path.join(path, b"")
    for name in page:
        file = prefix + name
        try:
            if borders and (file in borders or leads_to(file, *borders)[0] in borders):
                fields += (name, b"")
                continue
            facts = os.stat(file)
        except OSError as error:
            if error.errno not in _NOTHING:
                raise
            continue
        if stat.S_IFMT(facts.st_mode) in _VOLUMES:
            fields += (name, _stamp(facts))
    fields.append(page[-1] if len(page) < len(names) else b"")
    return fields


def _images(path: bytes, *names: bytes) -> Fields:
    """Tell of each file in a folder what it is, in FIELDS_PER_FILE fields; no names: of the path itself."""
    fields: list[bytes] = []
    for file in [os.path.join(path, name) for name in names] or [path]:
        fields += _image(file)
    return fields


def _image(file: bytes) -> Fields:
    try:
        try:
            return _looked_at(file)
        except OSError as error:
            if error.errno != errno.ESTALE:
                raise
            # Another host has put a new file in its place: named again, it is looked for, as open(2) itself does.
            return _looked_at(file)
    except OSError as error:
        if error.errno not in _NOTHING:
            raise
        return GONE


def _looked_at(file: bytes) -> Fields:
    # Opened for nothing but its name first: to open a pipe or a device for reading may block, or do something.
    named = os.open(file, os.O_PATH | os.O_CLOEXEC)
    try:
        facts = os.fstat(named)
        kind = stat.S_IFMT(facts.st_mode)
        if kind not in _VOLUMES:
            return GONE
        try:
            return _read(file, os.open(b"/proc/self/fd/%d" % named, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        except OSError as error:
            if error.errno not in _UNREADABLE:
                raise
            # What is known all the same: whose it is, and how long. Its format is empty.
            return [_stamp(facts), *numbers(False, facts.st_size), *_fields(ImageFacts("")), b""]
    finally:
        os.close(named)


def _read(file: bytes, opened: int) -> Fields:
    try:
        facts = os.fstat(opened)
        kind = stat.S_IFMT(facts.st_mode)
        settled = time.time_ns() - facts.st_ctime_ns > SETTLES_IN_NS
        length = os.lseek(opened, 0, os.SEEK_END) if kind == stat.S_IFBLK else facts.st_size
        image = _folder(file) if kind == stat.S_IFDIR else _image_in(opened, length)
        return [_stamp(facts), *numbers(settled, length), *_fields(image), _label(opened)]
    finally:
        os.close(opened)


def _image_in(opened: int, length: int) -> ImageFacts:
    def read(at: int, count: int) -> bytes:
        # Whoever wrote the header may have named any place: behind the end, or one that cannot be read.
        try:
            return os.pread(opened, count, at) if at < length else b""
        except OSError as error:
            if error.errno not in _UNREADABLE:
                raise
            return b""

    head = os.pread(opened, HEAD_BYTES, 0)
    image = read_image(head)
    return image._replace(content_id=content_id(image, head, read))


def _folder(path: bytes) -> ImageFacts:
    """A folder is one image where it has what makes a ploop disk."""
    names = (b"root.hds", b"DiskDescriptor.xml")
    return ImageFacts("ploop" if all(os.path.exists(os.path.join(path, name)) for name in names) else "dir")


def _fields(image: ImageFacts) -> Fields:
    return [
        image.format.encode(),
        b"" if image.capacity_bytes is None else b"%d" % image.capacity_bytes,
        image.backing,
        image.backing_format.encode(),
        image.compat.encode(),
        " ".join(image.features).encode(),
        b"%d" % (image.cluster_size_bytes or 0),
        image.encryption.encode() + b" %d" % image.payload_bytes if image.encryption else b"",
        image.content_id.encode(),
    ]


def _label(file: int) -> bytes:
    try:
        return os.getxattr(file, _LABEL).rstrip(b"\0")
    except OSError:
        return b""  # most file systems have none


OPERATIONS: dict[bytes, Callable[..., Fields]] = {b"entries": _entries, b"images": _images}
