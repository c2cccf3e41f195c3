"""The id that the header of an image holds for what is in it: a copy of the file has the same, a new image another.

`qemu-img convert` makes a new image, `cp` a copy. luks containers, VDI and dynamic VHD have a UUID, which stays when
they are written to. VMDK of one sparse file has a number of 32 bits, which then becomes another. raw and qcow2 have
none, but for what is encrypted in them: in a raw disk by its guest, who may have written anything there.

The worker of files/ runs this: nothing but the standard library may be imported here.
"""

import struct
from collections.abc import Callable

from poolfleet_agent.model.image_facts import ImageFacts
from poolfleet_agent.model.qcow2_extensions import LENGTH_OF_V2, LUKS_HEADER, extensions

_LUKS_MAGIC = b"LUKS\xba\xbe"
_LUKS_UUID_AT, _LUKS_UUID_BYTES = 168, 40
_VDI_UUID_AT, _VPC_UUID_AT, _UUID_BYTES = 392, 68, 16
_HEX = frozenset(b"0123456789abcdefABCDEF")
_NO_CID = 0xFFFFFFFE
"""This, the one above it, and 0 are written by tools that make no number of their own."""


def content_id(image: ImageFacts, head: bytes, read: Callable[[int, int], bytes]) -> str:
    """Give it as `luks:UUID`, `vdi:UUID`, `vpc:UUID` or `vmdk:CID`; empty: there is none, or it makes no sense.

    `head` is the beginning of the file, of which `read` gives so many bytes (or fewer) from another place.
    """
    match image.format:
        case "raw":
            return _of_luks(head)
        case "qcow2" if image.encryption == "luks":
            return _of_luks(_luks_within(head, read))
        case "vdi":
            at = _VDI_UUID_AT
            raw = head[at : at + _UUID_BYTES]
            # The first three parts stand there as numbers of a little-endian machine.
            return _named("vdi", raw[3::-1] + raw[5:3:-1] + raw[7:5:-1] + raw[8:])
        case "vpc":
            return _named("vpc", head[_VPC_UUID_AT : _VPC_UUID_AT + _UUID_BYTES])
        case "vmdk":
            return _of_vmdk(head)
        case _:
            return ""


def _of_luks(header: bytes) -> str:
    """Of version 1 and 2, in both of which the UUID stands there as text."""
    if not header.startswith(_LUKS_MAGIC):
        return ""
    text = header[_LUKS_UUID_AT : _LUKS_UUID_AT + _LUKS_UUID_BYTES].partition(b"\0")[0]
    try:
        return _named("luks", bytes.fromhex(text.decode("ascii").replace("-", "")))
    except ValueError:
        return ""


def _luks_within(head: bytes, read: Callable[[int, int], bytes]) -> bytes:
    if len(head) < LENGTH_OF_V2:
        return b""
    place = extensions(head).get(LUKS_HEADER, b"")
    if len(place) < 8:
        return b""
    (at,) = struct.unpack_from(">Q", place)
    return read(at, _LUKS_UUID_AT + _LUKS_UUID_BYTES)


def _of_vmdk(head: bytes) -> str:
    """By the description that follows the header: lines of text."""
    number = head[512:].partition(b"\0")[0].partition(b"\nCID=")[2].partition(b"\n")[0].removesuffix(b"\r")
    if not 0 < len(number) <= 8 or not _HEX.issuperset(number):
        return ""
    cid = int(number, 16)
    return f"vmdk:{cid:08x}" if 0 < cid < _NO_CID else ""


def _named(kind: str, uuid: bytes) -> str:
    if len(uuid) != _UUID_BYTES or not any(uuid):
        return ""
    digits = uuid.hex()
    return f"{kind}:" + "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
