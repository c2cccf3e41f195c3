"""Pages of ordered lists: where to go on, bound to what was asked for."""

import base64
import binascii
import hashlib
import json
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import Generic, TypeVar

from poolfleet_agent.model.errors import ModelError, Reason, invalid_field

DEFAULT_PAGE_SIZE = 1000
LONGEST_PAGE_SIZE = 5000
PAGE_BYTES = 1024 * 1024

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Items of one page and the token of the next; empty: this is the last one."""

    items: list[T]
    next_token: str


def page_of(
    items: Iterable[T],
    *,
    key: Callable[[T], tuple[str, ...]],
    asked_size: int,
    token: str,
    question: str,
    size_bytes: Callable[[T], int],
) -> Page[T]:
    """Cut a page out of items in ascending order of their keys.

    `question` stands for list and filter: a token of another is refused with TOKEN_MISMATCH. A page ends at the size
    asked for or at 1 MiB, whichever comes first, and holds at least one item.
    """
    if asked_size < 0:
        raise invalid_field("page_size", "must not be negative", value=str(asked_size))
    size = min(asked_size or DEFAULT_PAGE_SIZE, LONGEST_PAGE_SIZE)
    # Searched and counted by what runs in C: there may be ten thousand items, and each is in everybody's way.
    there = list(items)
    begin = bisect_right(there, _read_token(token, question), key=key) if token else 0
    sizes = accumulate(map(size_bytes, islice(there, begin, begin + size)))
    end = begin + max(1, bisect_right(list(sizes), PAGE_BYTES))
    return Page(there[begin:end], _make_token(key(there[end - 1]), question) if end < len(there) else "")


def digest_of(question: str) -> str:
    """Stands for a list and its filter, where somebody comes back with it."""
    return hashlib.blake2b(question.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _make_token(last: tuple[str, ...], question: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([digest_of(question), *last]).encode()).decode()


def _read_token(token: str, question: str) -> tuple[str, ...]:
    try:
        parts = json.loads(base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        parts = None
    if not (isinstance(parts, list) and parts and all(isinstance(part, str) for part in parts)) or parts[
        0
    ] != digest_of(question):
        raise ModelError(
            Reason.TOKEN_MISMATCH,
            "page_token is not of this list and filter; begin the list anew",
            metadata={"page_token": token[:200]},
        )
    return tuple(parts[1:])
