"""What a row of the table of virsh's commands is, and the line that shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Values = dict[str, str]
Words = Callable[[Values], list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option of a virsh command, in virsh's order; those that take a value may be given without their names."""

    name: str
    becomes: tuple[str, ...] = ()
    """What it is in the new form, before its value; empty: `Command.words` or nothing takes it up."""
    takes_value: bool = False
    required: bool = False
    refused: str = ""
    """Why it has no counterpart; empty: it has one."""
    value: str = ""
    """What it is given in its example."""
    beside: str = ""
    """The words that stand with it there; empty: the command's own."""
    needs_device: bool = False
    """It means something with a device or server only: tests compare definitions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A virsh command and what it is here."""

    name: str
    verb: str
    """Empty: not there yet."""
    options: tuple[Option, ...]
    example: str
    """Words that virsh accepts after its name."""
    words: Words
    needs_device: bool = False
    """It finds something with a device or server only: tests do not compare it."""
    waits: bool = False
    """It waits for what somebody does: a test of its own compares it."""

    @property
    def optional(self) -> list[Option]:
        """Those that each have an example of their own."""
        return [option for option in self.options if not option.required]

    def line(self, option: Option | None = None) -> list[str]:
        """An example as it is typed to virsh: of the command, or of one of its options."""
        words = [self.name, *((option and option.beside) or self.example).split()]
        if option is None or f"--{option.name}" in words:
            return words
        return [*words, f"--{option.name}", *([option.value] if option.takes_value else [])]
