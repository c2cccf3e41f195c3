"""How single values are shown: sizes, ages, shares and names that cannot harm a terminal."""

from __future__ import annotations

import re
from datetime import UTC, datetime

NOTHING = "-"
_GIB = 1024**3
_FORMATS_THAT_HIDE = re.compile(r"[\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def printable(text: str) -> str:
    r"""Write control characters, and those that reorder or hide text, as `\xNN` or `\uNNNN`; the rest stays."""
    if text.isprintable() and not _FORMATS_THAT_HIDE.search(text):
        return text
    return "".join(c if c.isprintable() and not _FORMATS_THAT_HIDE.match(c) else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def gib(size_bytes: int | None) -> str:
    """Show a size in GiB with one decimal, such as `12.0GiB`; `<0.1GiB` for what is small and not nothing."""
    if size_bytes is None:
        return NOTHING
    if 0 < size_bytes < _GIB // 20:
        return "<0.1GiB"
    return f"{size_bytes / _GIB:.1f}GiB"


def exact_bytes(size_bytes: int | None) -> str:
    """Show a size in bytes, as a plain number."""
    return NOTHING if size_bytes is None else str(size_bytes)


def share(part: int | None, whole: int | None) -> str:
    """Show how much of `whole` is `part`, such as `73%`."""
    if part is None or not whole:
        return NOTHING
    return f"{100 * part / whole:.0f}%"


def age(age_s: float | None) -> str:
    """Show a duration by its largest unit: `5s`, `3m`, `4h`, `2d`."""
    if age_s is None:
        return NOTHING
    seconds = max(0, int(age_s))
    for unit_s, letter in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= unit_s:
            return f"{seconds // unit_s}{letter}"
    return f"{seconds}s"


def milliseconds(duration_s: float | None) -> str:
    """Show a short duration in milliseconds, such as `0.4ms` or `2003ms`."""
    if duration_s is None:
        return NOTHING
    length_ms = duration_s * 1000
    return f"{length_ms:.1f}ms" if length_ms < 10 else f"{length_ms:.0f}ms"


def age_in_words(age_s: float) -> str:
    """Show a duration in running text, such as `14 s` or `3 min`."""
    short = age(age_s)
    return f"{short[:-1]} {'min' if short[-1] == 'm' else short[-1]}"


def seconds_since(moment: datetime | None) -> float | None:
    """Count the seconds since `moment` (with a time zone)."""
    return None if moment is None else (datetime.now(UTC) - moment).total_seconds()


def since(moment: datetime | None) -> str:
    """Show how long ago `moment` (with a time zone) was."""
    return age(seconds_since(moment))


def yes_no(value: bool) -> str:
    """Show a truth as `yes` or `no`, as virsh does."""
    return "yes" if value else "no"


def counted(number: int, noun: str) -> str:
    """Name a number of things: `1 host`, `48,120 volumes`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def joined(words: list[str], *, at_most: int = 3) -> str:
    """List words, the first few by name: `a, b, c and 4 more`."""
    if len(words) <= at_most:
        return ", ".join(words)
    return f"{', '.join(words[:at_most])} and {len(words) - at_most} more"
