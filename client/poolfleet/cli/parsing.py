"""What people type, as values: sizes, durations, modes, labels and the one word that names a volume."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from poolfleet.types.volume import Permissions

_UNITS = "kmgtpe"
_SIZE = re.compile(r"(\d{1,30}(?:\.\d{1,30})?)\s*(?:([kmgtpe])(i?b)?|b|bytes?)?", re.IGNORECASE)
_DURATION = re.compile(r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9}(?:\.\d{1,9})?)s?)?")
_UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE)
_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeWord:
    """A volume as one word: `POOL/VOLUME`, or an absolute path; with `HOST:` before it, on that host only."""

    host: str | None = None
    pool: str = ""
    volume: str = ""
    path: str = ""

    @property
    def text(self) -> str:
        """The word without the host."""
        return self.path or f"{self.pool}/{self.volume}"


def volume_word(text: str) -> VolumeWord:
    """Read `POOL/VOLUME`, `HOST:POOL/VOLUME`, `/path` or `HOST:/path`.

    The first colon before the first slash ends the host: a pool whose name has a colon is written with its host, or
    with a bare colon before it.
    """
    before, slash, volume = text.partition("/")
    host, _, pool = before.partition(":") if ":" in before else ("", "", before)
    if not slash:
        raise typer.BadParameter(f"{text!r} names no volume: write POOL/VOLUME, or HOST:POOL/VOLUME on one host")
    if not pool:
        return VolumeWord(host=host or None, path=f"/{volume}")
    if not volume or "/" in volume:
        raise typer.BadParameter(f"{text!r} names no volume: neither a pool's name nor a volume's has a slash")
    return VolumeWord(host=host or None, pool=pool, volume=volume)


def size_bytes(text: str) -> int:
    """Read `10G`, `512MiB`, `1.5T`, `4096`: as in virsh k, K, KiB are 1024, KB is 1000, a bare number is bytes."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise typer.BadParameter(f"{text!r} is no size: write 10G, 512MiB or a number of bytes")
    number, letter, suffix = match.groups()
    base = 1000 if (suffix or "").lower() == "b" else 1024
    whole, _, fraction = number.partition(".")
    scale = base ** (_UNITS.index(letter.lower()) + 1) if letter else 1
    value = int(whole) * scale + (int(fraction) * scale // 10 ** len(fraction) if fraction else 0)
    if value > _LARGEST:
        raise typer.BadParameter(f"{text!r} is larger than any volume can be")
    return value


def delta_bytes(text: str) -> int:
    """Read a size that is added, or with a minus before it taken away."""
    text = text.strip()
    return -size_bytes(text[1:]) if text.startswith("-") else size_bytes(text.removeprefix("+"))


def duration_s(text: str) -> float:
    """Read `2m`, `90s`, `1h30m` or a number of seconds."""
    match = _DURATION.fullmatch(text.strip())
    if not text.strip() or match is None:
        raise typer.BadParameter(f"{text!r} is no duration: write 90s, 2m or 1h30m")
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return days * 86400 + hours * 3600 + minutes * 60 + seconds


def label(text: str) -> tuple[str, str]:
    """Read `key=value`."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise typer.BadParameter(f"{text!r} is no label: write key=value")
    return key, value


def mode_bits(text: str) -> int:
    """Read permissions in octal, such as `0711`."""
    if not re.fullmatch(r"0?[0-7]{3,4}", text):
        raise typer.BadParameter(f"{text!r} is no mode: write it in octal, such as 0711")
    return int(text, 8)


def permissions(mode: str | None, owner: int | None, group: int | None) -> Permissions | None:
    """What the options state; None: nothing."""
    from poolfleet.types.volume import Permissions

    if mode is None and owner is None and group is None:
        return None
    return Permissions(mode=mode_bits(mode) if mode else None, owner=owner, group=group)


def batch(text: str) -> int | str:
    """Read how many hosts go at a time: a number, or a part such as `10%`."""
    if re.fullmatch(r"[1-9]\d{0,8}", text):
        return int(text)
    if re.fullmatch(r"([1-9]\d?|100)%", text):
        return text
    raise typer.BadParameter(f"{text!r} is no batch: write a number of hosts, or a part such as 10%")


def looks_like_uuid(text: str) -> bool:
    """Whether virsh would also take this word for a UUID."""
    return _UUID.fullmatch(text) is not None
