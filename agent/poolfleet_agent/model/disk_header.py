"""What the header of an image says that it lies on. Pure: the caller reads the file's beginning."""

import json
import re
import struct
from dataclasses import dataclass

from poolfleet_agent.model.qcow2_extensions import BACKING_FORMAT, DATA_FILE, LENGTH_OF_V2, extensions

HEADER_BYTES = 64 * 1024
"""Enough of a file: the header, its extensions and the backing file's name lie in the first cluster."""

_MAGIC = b"QFI\xfb"
_LUKS_IN_QCOW2 = 2
_LUKS_MAGIC = b"LUKS\xba\xbe"
_QED_HAS_BACKING = 1
_PROTOCOL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskHeader:
    """What lies below: paths as they are written, relative to the file's own folder; empty: none, or none on a path.

    `on_paths`: whether that is all that lies below. What is no plain path may be anything: a server, several files.
    `encryption`: `luks`, `other`, or empty: none.
    """

    backing_path: str = ""
    backing_format: str = ""
    data_path: str = ""
    on_paths: bool = True
    encryption: str = ""


def read_disk_header(head: bytes) -> DiskHeader | None:
    """Read the beginning of a file; None where it is no qcow2 (or qcow) file. What is damaged is left out."""
    if len(head) < LENGTH_OF_V2 or not head.startswith(_MAGIC):
        return None
    version, name_offset, name_length = struct.unpack_from(">IQI", head, 4)
    stated = extensions(head) if version >= 2 else {}
    backing = head[name_offset : name_offset + name_length] if name_offset else b""
    data = stated.get(DATA_FILE, b"")
    (method,) = struct.unpack_from(">I", head, 32) if version >= 2 else (0,)
    return DiskHeader(
        backing_path=_path_in(backing),
        backing_format=stated.get(BACKING_FORMAT, b"").decode(errors="replace"),
        data_path=_path_in(data),
        on_paths=all(_is_path(name) for name in (backing, data)) and name_offset + name_length <= len(head),
        encryption={0: "", _LUKS_IN_QCOW2: "luks"}.get(method, "other"),
    )


def stands_alone(image_format: str, head: bytes) -> bool:
    """Whether an image lies on nothing, and consists of one file, by its beginning; False too where that is not known.

    For formats other than qcow2, of which some name further files in ways of their own.
    """
    match image_format:
        case "raw" | "vdi" | "vpc":
            return True
        case "luks":
            return head.startswith(_LUKS_MAGIC)
        case "qed":
            return head.startswith(b"QED\0") and not _little(head[16:24]) & _QED_HAS_BACKING
        case "vmdk":
            # Without a capacity in its header, its description names the files that it consists of.
            parent = head.partition(b"parentCID=")[2]
            return head.startswith(b"KDMV") and _little(head[12:20]) > 0 and parent.startswith(b"ffffffff")
        case _:
            return False


def _little(number: bytes) -> int:
    return int.from_bytes(number, "little")


def _is_path(name: bytes) -> bool:
    """Whether a name is a path and nothing else, or empty."""
    return not name.startswith(b"json:") and name in {b"", _path_in(name).encode()}


def _path_in(name: bytes) -> str:
    """The path in qemu's name of a file: plain, `file:…`, or `json:…`; empty where it names no file of the host.

    A name that is not UTF-8 is none of a volume.
    """
    try:
        text = name.decode()
    except UnicodeDecodeError:
        return ""
    if "\0" in text:
        return ""
    if text.startswith("json:"):
        try:
            named = _file_name(json.loads(text.removeprefix("json:")))
            # JSON can spell what no path of a host has.
            return "" if "\0" in named else named.encode().decode()
        except (ValueError, RecursionError):
            return ""
    text = text.removeprefix("file:")
    return "" if _PROTOCOL.match(text) else text


def _file_name(node: object) -> str:
    if not isinstance(node, dict):
        return ""
    for key in ("filename", "file.filename"):
        if isinstance(name := node.get(key), str):
            return name
    return _file_name(node.get("file"))
