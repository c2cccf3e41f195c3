"""Messages that are encoded already, put into another without being read and written again one by one."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain, repeat

_LENGTH_DELIMITED = 2


def with_repeated(field_number: int, messages: Sequence[bytes], rest: bytes) -> bytes:
    """The bytes of a message that has these in a repeated field, and in others what `rest` has."""
    heads = map(_head, repeat(field_number), map(len, messages))
    return b"".join((*chain.from_iterable(zip(heads, messages, strict=True)), rest))


@lru_cache(maxsize=4096)
def _head(field_number: int, length: int) -> bytes:
    return _varint(field_number << 3 | _LENGTH_DELIMITED) + _varint(length)


def _varint(number: int) -> bytes:
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*groups, number))
