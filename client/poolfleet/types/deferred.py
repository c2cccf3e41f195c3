"""Fields that are filled when one of them is read: for types of which one answer brings thousands."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

Fill: TypeAlias = "Callable[[Any, Any], Fill | None]"
"""Fills some empty fields of a value from its source, and gives what fills the rest; None: that was all."""


class Deferred:
    """Base of a frozen type with slots, some of which may be empty yet. Whoever reads them finds them filled.

    What is made by its own class has no `_unfilled`.
    """

    __slots__ = ("_unfilled",)
    _unfilled: tuple[Fill, object] | None
    """What fills the next empty fields, and from which source: both or none, whichever thread looks. None: all is."""

    if not TYPE_CHECKING:  # to which a name that is no field remains an error

        def __getattr__(self, name: str) -> object:
            """Called where a slot is empty, or there is none of that name."""
            if name in type(self).__slots__:
                # Threads that come at once fill the same with the same; who finds nothing left to fill finds it filled.
                unfilled = self._unfilled
                if unfilled is not None:
                    fill, source = unfilled
                    rest = fill(self, source)
                    object.__setattr__(self, "_unfilled", (rest, source) if rest is not None else None)
                    return getattr(self, name)
            return object.__getattribute__(self, name)
