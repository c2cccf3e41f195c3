"""What a pool's folder may hold: images of each format and option that qemu-img makes, and odd files."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
from pathlib import Path

KIB, MIB = 1 << 10, 1 << 20
SIZE = "8M"

WITHOUT_OPTIONS = ("raw", "qcow2", "qcow", "qed", "vmdk", "vdi", "vpc", "vhdx", "parallels")

QCOW2_OPTIONS = {
    "old": "compat=0.10",
    "lazy": "compat=1.1,lazy_refcounts=on",
    "wide": "extended_l2=on",
    "clusters-512": "cluster_size=512",
    "clusters-2m": "cluster_size=2M",
    "full": "preallocation=full",
    "zstd": "compression_type=zstd",
    "refcounts-1": "refcount_bits=1",
}

MADE_BY_NOBODY = {
    "empty": b"",
    "one-byte": b"x",
    "text.txt": b"no image\n" * 100,
    "iso.iso": bytes(32769) + b"CD001" + bytes(4096),
    "iso-cut.iso": bytes(32769) + b"CD0",
    "bare-magic.qcow2": b"QFI\xfb",
    "cut-at-version": b"QFI\xfb\0\0\0",
    "future.qcow2": b"QFI\xfb" + struct.pack(">I", 99) + bytes(4096),
    "no-size.qcow": b"QFI\xfb" + struct.pack(">I", 1) + bytes(12),
    "zero-size.qcow": b"QFI\xfb" + struct.pack(">I", 1) + bytes(200),
    "cow.cow": b"OOOM" + struct.pack(">I", 2) + b"/base".ljust(1024, b"\0") + struct.pack(">IQI", 0, 5 * MIB, 512),
    "cow-alone.cow": b"OOOM" + struct.pack(">I", 2) + bytes(1024) + struct.pack(">IQI", 0, 3 * MIB, 512),
    "ploop.hds": b"WithouFreSpacExt" + struct.pack("<IIIIIQ", 2, 16, 2048, 0, 0, 4096) + bytes(4096),
    "vpc-new": b"conectix" + struct.pack(">II", 0, 0x20000) + bytes(600),
    "vdi-cut": bytes(64) + b"\x7f\x10\xda\xbe" + struct.pack("<I", 0x10001),
    "luks2": b"LUKS\xba\xbe\0\x02" + bytes(4096),
    "luks-absurd": b"LUKS\xba\xbe\0\x01" + bytes(96) + b"\xff" * 4 + bytes(4096),
    "luks-all-header": (b"LUKS\xba\xbe\0\x01" + bytes(96) + struct.pack(">I", 8)).ljust(4096, b"\0"),
    "luks-longer": (b"LUKS\xba\xbe\0\x01" + bytes(96) + struct.pack(">I", 8)).ljust(4097, b"\0"),
    "luks-cut": b"LUKS\xba\xbe\0",
    "vmdk-unended.vmdk": b"KDMV" + struct.pack("<IIQ", 1, 3, 2048) + bytes(496) + b'parentFileNameHint="/never/ends',
}

LUKS_UUID = "00112233-4455-6677-8899-aabbccddeeff"
LUKS_1 = (b"LUKS\xba\xbe\0\x01".ljust(168, b"\0") + LUKS_UUID.encode()).ljust(592, b"\0")
"""The header of a luks container as far as it tells its id; its payload begins at once."""

NAMES = ("with space", "café ☃.raw", "new\nline", "tab\there", "-dash", "a&b<c>'\"", "percent%20", ".hidden", "x" * 255)


def make_corpus(folder: Path) -> None:
    """Fill a folder that is empty."""
    for kind in WITHOUT_OPTIONS:
        create(folder, kind, f"plain.{kind}")
    for name, options in QCOW2_OPTIONS.items():
        create(folder, "qcow2", f"{name}.qcow2", "-o", options)
    create(folder, "vmdk", "stream.vmdk", "-o", "subformat=streamOptimized")
    create(folder, "vmdk", "flat.vmdk", "-o", "subformat=monolithicFlat")
    create(folder, "vpc", "fixed.vpc", "-o", "subformat=fixed")
    create(folder, "vdi", "static.vdi", "-o", "static=on")
    _sealed(folder)
    create(folder, "qcow2", "external.qcow2", "-o", f"data_file={folder}/external.data,data_file_raw=on")
    for kind in ("qcow2", "qcow", "vmdk"):
        create(folder, kind, f"over.{kind}", "-b", f"plain.{kind}", "-F", kind)
    _overlays(folder)
    for name, content in MADE_BY_NOBODY.items():
        (folder / name).write_bytes(content)
    for name in NAMES:
        (folder / name).write_bytes(b"content of it")
    _odd_files(folder)


def create(folder: Path, kind: str, name: str, *options: str) -> None:
    """Make one image."""
    size = () if "-b" in options and "-u" not in options else (SIZE,)
    command = ("qemu-img", "create", "-q", "-f", kind, *options, name, *size)
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=60)


def _sealed(folder: Path) -> None:
    """Encrypted images, as far as their headers tell: qemu-img makes none on a machine that is too busy to be timed."""
    for name, method in (("sealed.qcow2", 2), ("sealed-aes.qcow2", 1), ("sealed.qcow", 1)):
        kind = name.rpartition(".")[2]
        create(folder, kind, name)
        with (folder / name).open("r+b") as file:
            file.seek(32 if kind == "qcow2" else 36)
            file.write(struct.pack(">I", method))
    header = b"LUKS\xba\xbe\0\x01" + bytes(96) + struct.pack(">I", 4096)
    (folder / "sealed.luks").write_bytes(header.ljust(4096 * 512 + 8 * MIB, b"\0"))


def sealed_qcow2(*, at: int, method: int = 2, version: int = 3) -> bytes:
    """A qcow2 header that says where the header of the luks in it stands."""
    head = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", version, 0, 0, 16, 1 << 20, method, 1, 0, 0, 0, 0, 0)
    if version >= 3:
        head += struct.pack(">QQQII", 0, 0, 0, 4, 104)
    return head + struct.pack(">IIQQ", 0x0537BE77, 16, at, len(LUKS_1)) + bytes(8)


def _overlays(folder: Path) -> None:
    """Images on others, by every way of naming these."""
    named = {
        "absolute": f"{folder}/plain.qcow2",
        "dotted": "./plain.qcow2",
        "parent": f"../{folder.name}/plain.qcow2",
        "missing": "/nowhere/base.qcow2",
        "nbd": "nbd://server/export",
        "json": f'json:{{"driver":"raw","file":{{"driver":"file","filename":"{folder}/plain.qcow2"}}}}',
        "json-file": f'json:{{"driver":"file","filename":"{folder}/plain.qcow2"}}',
        "json-qcow2": f'json:{{"driver":"qcow2","file":{{"driver":"file","filename":"{folder}/plain.qcow2"}}}}',
        "json-far": 'json:{"driver":"raw","file":{"driver":"https","url":"https://server/image"}}',
        "file-scheme": f"file:{folder}/plain.qcow2",
    }
    for name, backing in named.items():
        create(folder, "qcow2", f"on-{name}.qcow2", "-u", "-b", backing, "-F", "qcow2")
    create(folder, "qcow2", "on-raw.qcow2", "-u", "-b", "plain.raw", "-F", "raw")
    # qemu-img insists on a format; older ones did not, and their images are there still.
    for base in ("plain.qcow2", "plain.raw", "plain.vmdk", "iso.iso", "gone"):
        overlay_without_format(folder / f"unstated-{base.replace('.', '-')}.qcow2", base.encode())


def overlay_without_format(path: Path, backing: bytes) -> None:
    """A qcow2 header of version 2 that names its backing file, and no format of it."""
    tables = (0, 1, 65536, 131072, 1, 0, 0)
    header = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", 2, 72 + 8, len(backing), 16, 8 * MIB, *tables)
    path.write_bytes((header + bytes(8) + backing).ljust(4 * 65536, b"\0"))


def _odd_files(folder: Path) -> None:
    sparse = folder / "sparse.raw"
    sparse.touch()
    os.truncate(sparse, 1 << 40)
    (folder / "holed.raw").write_bytes(bytes(8192))
    with (folder / "holed.raw").open("r+b") as file:
        file.seek(5 * MIB)
        file.write(b"x")
    os.link(folder / "plain.qcow2", folder / "same.qcow2")
    (folder / "owned.raw").write_bytes(b"x")
    (folder / "owned.raw").chmod(0o6750)
    os.chown(folder / "owned.raw", 12345, 54321)
    os.utime(folder / "owned.raw", ns=(1, 999_999_999_999_999_999))
    os.utime(folder / "one-byte", ns=(0, 0))
    (folder / "subfolder").mkdir(mode=0o711)
    (folder / "lost+found").mkdir(mode=0o700)
    (folder / "ploop").mkdir()
    (folder / "ploop" / "DiskDescriptor.xml").write_text("<Parallels_disk_image/>")
    (folder / "ploop" / "root.hds").write_bytes(MADE_BY_NOBODY["ploop.hds"])
    (folder / "link-in").symlink_to("plain.qcow2")
    outside = folder.parent / "outside.qcow2"
    create(folder.parent, "qcow2", outside.name)
    (folder / "link-out").symlink_to(outside)
    (folder / "link-to-folder").symlink_to("subfolder")
    (folder / "link-to-nothing").symlink_to("nothing")
    (folder / "link-to-itself").symlink_to("link-to-itself")
    os.mkfifo(folder / "pipe")
    (folder / "link-to-pipe").symlink_to("pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.getcwd()
        os.chdir(folder)
        try:
            listener.bind("socket")
        finally:
            os.chdir(here)
    os.mknod(folder / "zeroes", 0o600 | 0o020000, os.makedev(1, 5))
    (folder / "con\x01trol").write_bytes(b"x")
