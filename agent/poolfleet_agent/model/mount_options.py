"""Which mount options and protocol versions a pool may state: single words that no program takes for an option."""

import re
from collections.abc import Collection, Sequence

from poolfleet_agent.model.errors import invalid_field

HARMFUL_OPTIONS = frozenset({"bg", "suid", "exec", "dev"})
"""`bg` goes on mounting after a start has succeeded on the bare folder; the others undo what protects the host."""

_OPTION = re.compile(r"[A-Za-z_][A-Za-z0-9_.:/@%+=\-\[\]]*")
_VERSION = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3})?")


def check_mount_options(options: Sequence[str], protocol_version: str, *, allowed: Collection[str] = ()) -> None:
    """Refuse options with commas, white space or odd characters, and versions that are no numbers: INVALID_FIELD.

    Harmful ones are refused too, but those that are `allowed`.
    """
    for option in options:
        if len(option) > 255 or not _OPTION.fullmatch(option):
            raise invalid_field("mount.options", "must be single words such as noatime or timeo=50", value=option)
    for option in harmful_options(options, allowed):
        raise invalid_field("mount.options", f"{option} is not allowed by this agent's configuration", value=option)
    if protocol_version and not _VERSION.fullmatch(protocol_version):
        raise invalid_field("mount.protocol_version", "must be a number such as 3 or 4.2", value=protocol_version)


def single_options(options: Sequence[str]) -> tuple[str, ...]:
    """Give options one by one: a pool that was defined elsewhere may have several in one, with commas between."""
    return tuple(single for option in options for single in option.split(",") if single)


def harmful_options(options: Sequence[str], allowed: Collection[str] = ()) -> tuple[str, ...]:
    """Which of a pool's options are harmful, and not allowed."""
    return tuple(option for option in single_options(options) if option in HARMFUL_OPTIONS.difference(allowed))


def option_value(options: Sequence[str], *names: str) -> str | None:
    """The value of the last option with one of these names, as mount counts them; empty: a bare word; None: none."""
    found = None
    for option in single_options(options):
        name, _, value = option.partition("=")
        if name in names:
            found = value
    return found


def enforces_locks(kind: str | None, options: Sequence[str]) -> bool:
    """Whether qemu's locks keep qemu from writing: SMB enforces those of byte ranges, unless none are sent.

    `kind` is a pool's format, or the type of a mounted file system.
    """
    return kind in {"cifs", "smb3"} and option_value(options, "nobrl") is None
