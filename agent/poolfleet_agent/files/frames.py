"""What agent and worker say to each other over a pipe: frames of fields, both bytes.

A frame is the length of its body (four bytes, big end first), then the body: fields, each with its length before it.
"""

from collections.abc import Sequence

LONGEST_FRAME_BYTES = 32 * 1024 * 1024

Fields = Sequence[bytes]
"""What a frame holds; numbers are decimal."""


def pack(*fields: bytes) -> bytes:
    """Give the frame of some fields."""
    body = b"".join(part for field in fields for part in (len(field).to_bytes(4, "big"), field))
    return len(body).to_bytes(4, "big") + body


def unpack(body: bytes) -> list[bytes]:
    """Give the fields of a frame's body. ValueError: one of them is cut off."""
    fields = []
    position = 0
    while position < len(body):
        begin = position + 4
        position = begin + int.from_bytes(body[position:begin], "big")
        if position > len(body):
            raise ValueError("a field is longer than what is left of its frame")
        fields.append(body[begin:position])
    return fields


def numbers(*values: int) -> list[bytes]:
    """Give numbers as fields."""
    return [b"%d" % value for value in values]
