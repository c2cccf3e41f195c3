"""Fields that are filled when one of them is read: for types of which one answer brings thousands."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any


class Deferred:
    """Base of a frozen type with slots, some of which may be empty yet. Whoever reads them finds them filled.

    Each of `_steps` fills some from `_source`, in their order, when a field that is empty is read. What is made by its
    own class has neither.
    """

    __slots__ = ("_source", "_steps")
    _source: object
    _steps: tuple[Callable[[Any, Any], None], ...]

    if not TYPE_CHECKING:  # to which a name that is no field remains an error

        def __getattr__(self, name: str) -> object:
            """Called where a slot is empty, or there is none of that name."""
            if name in type(self).__slots__ and (steps := self._steps):
                # Two threads that come at once fill the same with the same; no step is taken off before it is done.
                steps[0](self, self._source)
                object.__setattr__(self, "_steps", steps[1:])
                if not steps[1:]:
                    object.__setattr__(self, "_source", None)
                return getattr(self, name)
            return object.__getattribute__(self, name)
