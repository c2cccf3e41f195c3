"""What agent and worker say to each other over a pipe: frames of fields, both bytes.

A frame is the length of its body, then the body: how many fields there are, the length of each, and the fields. Lengths
and numbers of fields are four bytes, big end first, and stand together: of a large folder there are tens of thousands.
"""

import struct
from collections.abc import Sequence
from itertools import accumulate, pairwise

LONGEST_FRAME_BYTES = 32 * 1024 * 1024

Fields = Sequence[bytes]
"""What a frame holds; numbers are decimal."""


def pack(*fields: bytes) -> bytes:
    """Give the frame of some fields."""
    lengths = struct.pack(f">{1 + len(fields)}I", len(fields), *map(len, fields))
    body_bytes = len(lengths) + sum(map(len, fields))
    return b"".join((body_bytes.to_bytes(4, "big"), lengths, *fields))


def unpack(body: bytes) -> list[bytes]:
    """Give the fields of a frame's body. ValueError: they are not as long as it says."""
    try:
        (count,) = struct.unpack_from(">I", body)
        lengths = struct.unpack_from(f">{count}I", body, 4)
    except struct.error as error:
        raise ValueError("a frame is cut off within the lengths of its fields") from error
    ends = list(accumulate(lengths, initial=4 * (1 + count)))
    if ends[-1] != len(body):
        raise ValueError("the fields of a frame are not as long as it says")
    return [body[begin:end] for begin, end in pairwise(ends)]


def numbers(*values: int) -> list[bytes]:
    """Give numbers as fields."""
    return [b"%d" % value for value in values]
