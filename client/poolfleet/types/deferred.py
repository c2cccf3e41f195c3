"""Fields that are filled when the first of them is read: for types of which one answer brings thousands."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any


class Deferred:
    """Base of a frozen type with slots, some of which may be empty yet. Whoever reads them finds them filled.

    `_source` is what `_fill` fills them from; None: they are filled. What is made by its own class has neither.
    """

    __slots__ = ("_fill", "_source")
    _fill: Callable[[Any, Any], None]
    _source: object

    if not TYPE_CHECKING:  # to which a name that is no field remains an error

        def __getattr__(self, name: str) -> object:
            """Called where a slot is empty, or there is none of that name."""
            if name in type(self).__slots__ and (source := self._source) is not None:
                # Two threads that come at once fill the same with the same.
                self._fill(self, source)
                object.__setattr__(self, "_source", None)
            return object.__getattribute__(self, name)
