"""The extensions of a qcow2 header.

The worker of files/ runs this: nothing but the standard library may be imported here.
"""

import struct

BACKING_FORMAT = 0xE2792ACA
DATA_FILE = 0x44415441
LUKS_HEADER = 0x0537BE77
"""Where the header of a luks image stands in the file, and how long it is: two numbers of eight bytes."""

LENGTH_OF_V2 = 72


def extensions(head: bytes) -> dict[int, bytes]:
    """Give the extensions by their kind, as far as they lie in the beginning of a file of version 2 or later."""
    version, length = struct.unpack_from(">I", head, 4)[0], LENGTH_OF_V2
    if version >= 3 and len(head) >= 104:
        (length,) = struct.unpack_from(">I", head, 100)
    found: dict[int, bytes] = {}
    while length + 8 <= len(head):
        kind, size = struct.unpack_from(">II", head, length)
        if kind == 0:
            break
        found[kind] = head[length + 8 : length + 8 + size]
        length += 8 + (size + 7) // 8 * 8
    return found
