"""What an image is, by the beginning of its file: read as libvirt reads it, whose word its users have.

qemu's own view of what an image lies on is in disk_header.py; libvirt's differs where a header is damaged or short. The
worker of files/ runs this: nothing but the standard library may be imported here.
"""

from typing import NamedTuple

HEAD_BYTES = 0x8200
"""As much as libvirt reads of a file: an ISO 9660 image tells itself at 32 KiB."""

FORMATS = frozenset(
    ("raw", "dir", "bochs", "cloop", "dmg", "iso", "vpc", "vdi", "fat", "vhd", "ploop", "cow", "qcow", "qcow2", "qed")
) | {"vmdk"}
"""What libvirt knows; whatever else a header says of a backing file is how to reach it, and that one is raw."""

_SECTOR_BYTES = 512
_NO_PAYLOAD = 0xFFFFFFFF
_LONGEST_BACKING_NAME_BYTES = 1023
_COW_NAME_BYTES = 1024
_BACKING_FORMAT, _END = 0xE2792ACA, 0
_QED_HAS_BACKING, _QED_BACKING_IS_RAW = 0x01, 0x04
_COMPATIBLE = ((0, "lazy_refcounts"),)
_INCOMPATIBLE = ((4, "extended_l2"),)


class ImageFacts(NamedTuple):
    """What a header tells. `capacity_bytes` None: the file's length; `backing` empty: none, else as it is written.

    `backing_format` empty: not stated. `payload_bytes`: what encryption takes off the beginning. `content_id` is left
    to content_id.py, for which the beginning may not be enough.
    """

    format: str
    capacity_bytes: int | None = None
    backing: bytes = b""
    backing_format: str = ""
    compat: str = ""
    features: tuple[str, ...] = ()
    cluster_size_bytes: int | None = None
    encryption: str = ""
    payload_bytes: int = 0
    content_id: str = ""


class _Kind(NamedTuple):
    """How a format is told; a version of length 0 may be any. `size`: where the capacity stands, eight bytes long."""

    format: str
    magic: bytes
    magic_at: int = 0
    order: str = "big"
    version_at: int = 0
    versions: tuple[int, ...] = ()
    size_at: int | None = None
    unit_bytes: int = 1


# In libvirt's order, the first that fits counts.
_KINDS = (
    _Kind("iso", b"CD001", magic_at=32769),
    _Kind("vpc", b"conectix", version_at=12, versions=(0x10000,), size_at=40),
    _Kind("vdi", b"\x7f\x10\xda\xbe", 64, "little", version_at=68, versions=(0x10001,), size_at=368),
    _Kind("ploop", b"WithouFreSpacExt", order="little", size_at=36, unit_bytes=_SECTOR_BYTES),
    _Kind("cow", b"OOOM", version_at=4, versions=(2,), size_at=1036),
    _Kind("qcow", b"QFI", version_at=4, versions=(1,), size_at=24),
    _Kind("qcow2", b"QFI", version_at=4, versions=(2, 3), size_at=24),
    _Kind("qed", b"QED", order="little", size_at=48),
    _Kind("vmdk", b"KDMV", order="little", version_at=4, versions=(1, 2, 3), size_at=12, unit_bytes=_SECTOR_BYTES),
)

_RAW = ImageFacts("raw")


def read_image(head: bytes) -> ImageFacts:
    """Read the first HEAD_BYTES of a file, or all of a shorter one: what is nothing known is raw."""
    kind = next((kind for kind in _KINDS if _fits(kind, head)), None)
    if kind is None:
        return _luks(head) if head.startswith(b"LUKS\xba\xbe\0\x01") else _RAW
    facts = ImageFacts(kind.format)
    if kind.size_at is not None:
        if kind.size_at + 8 > len(head):
            return facts
        facts = facts._replace(capacity_bytes=_number(head, kind.size_at, 8, kind.order) * kind.unit_bytes or None)
    match kind.format:
        case "cow":
            name = head[8 : 8 + _COW_NAME_BYTES]
            return facts._replace(backing=name.partition(b"\0")[0])
        case "qcow":
            return facts._replace(backing=_qcow_backing(head), encryption=_qcow_encryption(head, 36))
        case "qcow2":
            return _qcow2(head, facts)
        case "qed":
            return _qed(head, facts)
        case "vmdk":
            hint = head[_SECTOR_BYTES:].partition(b"\0")[0].partition(b'parentFileNameHint="')[2]
            return facts._replace(backing=hint.partition(b'"')[0] if b'"' in hint else b"")
        case _:
            return facts


def _fits(kind: _Kind, head: bytes) -> bool:
    if not head.startswith(kind.magic, kind.magic_at):
        return False
    if not kind.versions:
        return True
    return len(head) >= kind.version_at + 4 and _number(head, kind.version_at, 4, kind.order) in kind.versions


def _number(head: bytes, at: int, length: int, order: str) -> int:
    return int.from_bytes(head[at : at + length], "little" if order == "little" else "big")


def _luks(head: bytes) -> ImageFacts:
    sectors = _number(head, 104, 4, "big")
    payload_bytes = 0 if sectors == _NO_PAYLOAD else sectors * _SECTOR_BYTES
    return _RAW._replace(encryption="luks", payload_bytes=payload_bytes)


def _qcow_encryption(head: bytes, at: int) -> str:
    return {1: "qcow", 2: "luks"}.get(_number(head, at, 4, "big"), "") if len(head) >= at + 4 else ""


def _qcow_backing(head: bytes) -> bytes:
    at, length = _number(head, 8, 8, "big"), _number(head, 16, 4, "big")
    if not at or not length or length > _LONGEST_BACKING_NAME_BYTES or at + length > len(head):
        return b""
    return head[at : at + length].partition(b"\0")[0]


def _qcow2(head: bytes, facts: ImageFacts) -> ImageFacts:
    version, cluster_bits = _number(head, 4, 4, "big"), _number(head, 20, 4, "big")
    facts = facts._replace(
        backing=_qcow_backing(head),
        compat="0.10",
        cluster_size_bytes=1 << cluster_bits if 0 < cluster_bits < 64 else None,
        encryption=_qcow_encryption(head, 32),
    )
    begin = 72
    if version >= 3:
        if len(head) < 104:
            return facts
        flags = ((80, _COMPATIBLE), (72, _INCOMPATIBLE))
        features = (name for at, known in flags for bit, name in known if _number(head, at, 8, "big") >> bit & 1)
        begin = _number(head, 100, 4, "big")
        facts = facts._replace(compat="1.1", features=tuple(features))
    return facts._replace(backing_format=_stated_format(head, begin) if facts.backing else "")


def _stated_format(head: bytes, at: int) -> str:
    """The format of the backing file among the extensions of a qcow2 header; empty: not stated."""
    end = _number(head, 8, 8, "big")
    while at + 8 <= min(len(head), end):
        kind, length = _number(head, at, 4, "big"), _number(head, at + 4, 4, "big")
        at += 8
        if kind == _END or at + length > len(head):
            break
        if kind == _BACKING_FORMAT:
            name = head[at : at + length].partition(b"\0")[0].decode(errors="replace")
            return name if name in FORMATS else "raw"
        at += (length + 7) // 8 * 8
    return ""


def _qed(head: bytes, facts: ImageFacts) -> ImageFacts:
    flags = _number(head, 16, 8, "little")
    at, length = _number(head, 56, 4, "little"), _number(head, 60, 4, "little")
    if not flags & _QED_HAS_BACKING or not length or at + length > len(head):
        return facts
    raw = bool(flags & _QED_BACKING_IS_RAW)
    return facts._replace(backing=head[at : at + length].partition(b"\0")[0], backing_format="raw" if raw else "")
