"""What a program's words mean when it fails."""

from __future__ import annotations

import pytest

from poolfleet_agent.model.errors import Reason
from poolfleet_agent.processes.failures import failure


@pytest.mark.parametrize(
    ("words", "reason", "code"),
    [
        (
            "qemu-img: Could not open 'json:{}': Invalid password, cannot unlock any keyslot",
            Reason.SECRET_NOT_USABLE,
            "",
        ),
        ("qemu-img: /p/v: Could not create '/p/v': Permission denied", Reason.PATH_NOT_USABLE, "EACCES"),
        ("qemu-img: /p/v: Could not create '/p/v': Operation not permitted", Reason.PATH_NOT_USABLE, "EPERM"),
        ("qemu-img: /p/v: Could not resize file: No space left on device", Reason.FULL, "ENOSPC"),
        ("qemu-img: /p/v: error while writing: Disk quota exceeded", Reason.QUOTA_EXCEEDED, "EDQUOT"),
        ("qemu-img: /p/v: Could not create '/p/v': Read-only file system", Reason.READ_ONLY, "EROFS"),
        ("qemu-img: /p/v: Could not open '/p/base': Stale file handle", Reason.STALE, "ESTALE"),
        ("qemu-img: /p/v: Image size must be less than 8 EiB! The image size is too large", Reason.TOO_LARGE, ""),
        ("qemu-img: ./v: Unsupported VDI image size (size is 0x4, max supported is 0x1)", Reason.TOO_LARGE, ""),
        ("qemu-img: ./v: QED image size must be a multiple of 512 and less than 8 bytes", Reason.TOO_LARGE, ""),
        ("qemu-img: Failed to grow the L1 table: File too large", Reason.TOO_LARGE, "EFBIG"),
        ("qemu-img: Image format driver does not support resize", Reason.NOT_SUPPORTED_HERE, ""),
        ("qemu-img: Could not open './v': Failed to get \"write\" lock", Reason.VOLUME_IN_USE, ""),
        ("v is not the file that it was", Reason.RESOURCE_BUSY, ""),
        ("v: Too many levels of symbolic links", Reason.PATH_NOT_USABLE, "ELOOP"),
        ("/p/folder: Not a directory", Reason.PATH_NOT_USABLE, "ENOTDIR"),
        ("qemu-img: /p/v: Could not create '/p/v': Is a directory", Reason.PATH_NOT_USABLE, "EISDIR"),
        ("qemu-img: error while reading at byte 0: Input/output error", Reason.PATH_NOT_USABLE, "EIO"),
        ("qemu-img: error while writing at byte 0: Connection timed out", Reason.PATH_NOT_USABLE, "ETIMEDOUT"),
        ("FileNotFoundError: [Errno 2] No such file or directory", Reason.PATH_NOT_USABLE, "ENOENT"),
        ("qemu-img: /p/too large/v: No space left on device", Reason.FULL, "ENOSPC"),
        ("qemu-img: /p/a: Permission denied/v: No space left on device", Reason.FULL, "ENOSPC"),
        ("Error: Unable to open /dev/loop0 read-write (Read-only file system).", Reason.READ_ONLY, "EROFS"),
        (
            "qemu-img: Could not open './v': A regular file was expected by the 'file' driver",
            Reason.PATH_NOT_USABLE,
            "",
        ),
        ("qemu-img: Could not open './v': Image is not in qcow2 format", Reason.PATH_NOT_USABLE, ""),
        ("qemu-img: Use the --shrink option to perform a shrink operation.", Reason.WOULD_SHRINK, ""),
        ("qemu-img: Can't resize a v2 image which has snapshots", Reason.NOT_SUPPORTED_HERE, ""),
        ("qemu-img: Could not open './v': Invalid footer", Reason.PATH_NOT_USABLE, ""),
        ("qemu-img: Invalid granularity, image may be corrupt", Reason.PATH_NOT_USABLE, ""),
        ("qemu-img: Could not open '/p/Invalid disk': Permission denied", Reason.PATH_NOT_USABLE, "EACCES"),
        (
            "qemu-img: Could not open '/p/v: Permission denied': Image is not in qcow2 format",
            Reason.PATH_NOT_USABLE,
            "",
        ),
        ("qemu-img: Could not open '/p/does not support': Permission denied", Reason.PATH_NOT_USABLE, "EACCES"),
        ("qemu-img: ./v: Failed to lock byte 100: Resource temporarily unavailable", Reason.VOLUME_IN_USE, "EAGAIN"),
        ("delpart: failed to remove partition: No such device or address", Reason.PATH_NOT_USABLE, "ENXIO"),
        ("Error: Could not stat device /dev/x - No such file or directory.", Reason.PATH_NOT_USABLE, "ENOENT"),
        ("Could not resize: No space left on device qemu-img: flush: Input/output error", Reason.FULL, "ENOSPC"),
        ("qemu-img: Could not allocate memory: Cannot allocate memory", Reason.TOO_BUSY, "ENOMEM"),
        ("Traceback (most recent call last): TypeError: an integer must be given", Reason.INTERNAL, ""),
        ("qemu-img: Failed to update the image size", Reason.PATH_NOT_USABLE, ""),
        ("qemu-img: output file is smaller than input file", Reason.ETAG_MISMATCH, ""),
        ("qemu-img: something that nobody has seen", Reason.WRONG_STATE, ""),
        ("something that nobody has seen", Reason.INTERNAL, ""),
        ("", Reason.INTERNAL, ""),
    ],
)
def test_what_its_words_mean(words: str, reason: Reason, code: str) -> None:
    error = failure("qemu-img", words, 1, "/p/v")
    assert (error.reason, error.metadata.get("errno", "")) == (reason, code)
    assert error.message
