"""Members of enums that are of a later contract than this one: nobody asks for them, and who looks sees them."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

EnumT = TypeVar("EnumT", bound=StrEnum)


def later(enum: type[EnumT], value: str) -> EnumT:
    """A member of its own, equal to its value as every other one."""
    member = str.__new__(enum, value)
    member._name_, member._value_ = value.upper().replace("-", "_"), value
    return member


def member_or_later(enum: type[EnumT], value: str) -> EnumT:
    """The member of a value that was once written, maybe for a later contract."""
    try:
        return enum(value)
    except ValueError:
        return later(enum, value)
