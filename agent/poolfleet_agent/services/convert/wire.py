"""Messages that are encoded already, put into another without being read and written again one by one."""

from collections.abc import Iterable
from functools import lru_cache

_LENGTH_DELIMITED = 2


def repeated(field_number: int, messages: Iterable[bytes]) -> bytes:
    """The bytes of a message that has nothing but these in a repeated field."""
    parts: list[bytes] = []
    for message in messages:
        parts += (_head(field_number, len(message)), message)
    return b"".join(parts)


@lru_cache(maxsize=4096)
def _head(field_number: int, length: int) -> bytes:
    return _varint(field_number << 3 | _LENGTH_DELIMITED) + _varint(length)


def _varint(number: int) -> bytes:
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*groups, number))
