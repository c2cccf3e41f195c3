"""Which names and paths may be given to new pools and volumes, and how ids must look."""

import re
import unicodedata
import uuid

from poolfleet_agent.model.errors import invalid_field

LONGEST_NAME_BYTES = 251
"""One less than what leaves room for libvirt's own `.xml` suffix in a file name of 255 bytes."""

_HAS_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def check_new_name(field: str, name: str) -> None:
    """Refuse a name that a new pool or volume may not have: INVALID_FIELD. Existing objects stay addressable."""
    check_known_name(field, name)
    if name in {".", ".."}:
        raise invalid_field(field, "must not be . or ..", value=name)
    if "/" in name:
        raise invalid_field(field, "must not contain /", value=name)
    check_no_control(field, name)
    if len(name.encode()) > LONGEST_NAME_BYTES:
        raise invalid_field(field, f"must have at most {LONGEST_NAME_BYTES} bytes", value=name)
    if name.startswith("-"):
        raise invalid_field(field, "must not begin with -", value=name)
    if name != name.strip():
        raise invalid_field(field, "must not begin or end with white space", value=name)


def check_no_control(field: str, text: str) -> None:
    """Refuse control characters, and what else ends a line or is no character: INVALID_FIELD."""
    if _HAS_CONTROL.search(text) or any(unicodedata.category(char) in {"Cs", "Zl", "Zp"} for char in text):
        raise invalid_field(field, "must not contain control characters", value=ascii(text))


def check_new_volume_name(field: str, name: str) -> None:
    """As check_new_name, and not beginning with a dot: such files are never volumes here."""
    check_new_name(field, name)
    if name.startswith("."):
        raise invalid_field(field, "must not begin with a dot", value=name)


def check_known_name(field: str, name: str) -> None:
    """Refuse what can be the name of no object at all: INVALID_FIELD."""
    if not name:
        raise invalid_field(field, "must not be empty")
    if "\x00" in name:
        raise invalid_field(field, "must not contain NUL", value=ascii(name))
    if len(name) > 4096:
        raise invalid_field(field, "must have at most 4096 characters", value=name)


def check_uuid(field: str, value: str) -> str:
    """Give a UUID in canonical form; refuse what is none: INVALID_FIELD."""
    if not re.fullmatch(r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}", value):
        raise invalid_field(field, "must be a UUID", value=value)
    return str(uuid.UUID(value))


def check_absolute_path(field: str, path: str) -> None:
    """Refuse what is no plain absolute path: INVALID_FIELD."""
    if not path.startswith("/"):
        raise invalid_field(field, "must be an absolute path", value=path)
    if _HAS_CONTROL.search(path) or "\ufffd" in path:
        raise invalid_field(field, "must not contain control characters", value=ascii(path))
    if len(path.encode()) > 4095:
        raise invalid_field(field, "must have at most 4095 bytes", value=path)
    if any(part in {".", ".."} for part in path.split("/")):
        raise invalid_field(field, "must not contain . or .. as a component", value=path)
